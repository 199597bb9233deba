import type { Db } from "./builders.ts";

/** The notification writer's schema at version 8, written from what is known of it. */
export const versionEight = `
  create table migration_info (version integer not null);
  create table notification_types (
    id integer not null primary key, value varchar not null, frequency varchar not null, comment varchar);
  create table states (id integer not null primary key, value varchar not null, comment varchar);
  create table event_targets (
    id integer not null primary key, name varchar not null unique, metainfo varchar not null unique);
  create table new_reports (
    org_id integer not null,
    account_number integer not null,
    cluster character(36) not null,
    report varchar not null,
    updated_at timestamp not null,
    kafka_offset bigint not null default 0,
    primary key (org_id, cluster, updated_at));
  create table reported (
    org_id integer not null,
    account_number integer not null,
    cluster character(36) not null,
    notification_type integer not null,
    state integer not null,
    report varchar not null,
    updated_at timestamp not null,
    notified_at timestamp not null,
    error_log varchar,
    event_type_id integer not null references event_targets (id),
    primary key (org_id, cluster, notified_at),
    constraint fk_notification_type foreign key (notification_type) references notification_types (id),
    constraint fk_state foreign key (state) references states (id));
  create table read_errors (
    error_id serial primary key,
    org_id integer not null,
    cluster character(36) not null,
    updated_at timestamp not null,
    error_text varchar(1000) not null,
    created_at timestamp not null,
    unique (error_id, org_id, cluster, updated_at),
    foreign key (org_id, cluster, updated_at)
      references new_reports (org_id, cluster, updated_at) on delete cascade);
  create index report_kafka_offset_btree_idx on new_reports (kafka_offset);
  create index new_reports_org_id_idx on new_reports (org_id);
  create index new_reports_cluster_idx on new_reports (cluster);
  create index new_reports_updated_at_asc_idx on new_reports (updated_at);
  create index new_reports_updated_at_desc_idx on new_reports (updated_at desc);
  create index notification_types_id_idx on notification_types (id);
  create index notified_at_desc_idx on reported (notified_at desc);
  create index updated_at_desc_idx on reported (updated_at);
  create index idx_reported_event_state_org_cluster on reported (event_type_id, state, org_id, cluster);
  create index idx_reported_updated_at on reported (updated_at);
  comment on table new_reports is
    'new reports consumed from Kafka topic and stored to database in shrunk format';
  insert into migration_info values (8);
  insert into notification_types values
    (1, 'instant', '* * * * * *', 'instant notifications performed ASAP'),
    (2, 'weekly', '@weekly', 'weekly summary');
  insert into states values (1, 'sent', 'notification has been sent to user'),
    (2, 'same', 'skipped, report is the same as previous one'),
    (3, 'lower', 'skipped, all issues has low priority'), (4, 'error', 'notification delivery error');
  insert into event_targets values
    (1, 'notifications backend', 'the target of the report is the ccx notification service back end'),
    (2, 'service log', 'the target of the report is the ServiceLog');`;

/** The cluster of a number. */
export const clusterOf = (nth: number): string => `00000000-0000-4000-8000-${String(nth).padStart(12, "0")}`;

const report = (hits: string) => `format('{"reports":[%s]}', ${hits})`;
const hit = (rule: string) =>
  `'{"type":"rule","component":"ccx_rules_ocp.external.rules.${rule}.report","key":"KEY","details":{}}'`;

/**
 * Fills their tables: `reportsEach` reports of each cluster within the last week, the newest an hour old, all
 * with disk|KEY, and of every second cluster with net|KEY. A third of the clusters was notified three days
 * ago of what they have (target 1), a third ten days ago, a third never. What was skipped is there as well, and
 * a read error of each report of every `errorsOf`th cluster.
 */
export async function fillVersionEight(
  db: Db,
  clusters: number,
  reportsEach: number,
  errorsOf = 100,
): Promise<void> {
  const cluster = "'00000000-0000-4000-8000-' || lpad(c::text, 12, '0')";
  const hits = `${report(`${hit("disk")} || case when c % 2 = 0 then ',' || ${hit("net")} else '' end`)}`;
  const present = "date_trunc('second', now() at time zone 'UTC')";
  await db.query(
    `insert into new_reports (org_id, account_number, cluster, report, updated_at, kafka_offset)
     select 1 + c % 50, c, ${cluster}, ${hits}, ${present} - interval '1 hour' - n * interval '12 hours', c
     from generate_series(1, ${clusters}) c, generate_series(0, ${reportsEach - 1}) n`,
  );
  await db.query(
    `insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
       notified_at, error_log, event_type_id)
     select 1 + c % 50, c, ${cluster}, 1, case when n = 0 and c % 3 > 0 then 1 else 2 end, ${hits},
       ${present} - interval '3 days',
       ${present} - case c % 3 when 2 then 10 else 3 end * interval '1 day' - n * interval '3 minutes', '', 1
     from generate_series(1, ${clusters}) c, generate_series(0, ${reportsEach - 1}) n`,
  );
  await db.query(
    `insert into read_errors (org_id, cluster, updated_at, error_text, created_at)
     select r.org_id, r.cluster, r.updated_at, 'it cannot be read', r.updated_at
     from new_reports r where r.account_number % ${errorsOf} = 0`,
  );
  await db.query("analyze");
}
