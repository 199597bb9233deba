-- The tables and indexes that the incumbent has for the same purpose, at version 8 of its schema.
create schema incumbent;
create table incumbent.new_reports (
  org_id integer not null,
  account_number integer not null,
  cluster character(36) not null,
  report varchar not null,
  updated_at timestamp not null,
  kafka_offset bigint not null default 0,
  primary key (org_id, cluster, updated_at)
);
create index report_kafka_offset_btree_idx on incumbent.new_reports (kafka_offset);
create index new_reports_org_id_idx on incumbent.new_reports (org_id);
create index new_reports_cluster_idx on incumbent.new_reports (cluster);
create index new_reports_updated_at_asc_idx on incumbent.new_reports (updated_at);
create index new_reports_updated_at_desc_idx on incumbent.new_reports (updated_at desc);
create table incumbent.reported (
  org_id integer not null,
  account_number integer not null,
  cluster character(36) not null,
  notification_type integer not null,
  state integer not null,
  report varchar not null,
  updated_at timestamp not null,
  notified_at timestamp not null,
  error_log varchar,
  event_type_id integer not null,
  primary key (org_id, cluster, notified_at)
);
create index notified_at_desc_idx on incumbent.reported (notified_at desc);
create index updated_at_desc_idx on incumbent.reported (updated_at);
create index idx_reported_event_state_org_cluster
  on incumbent.reported (event_type_id, state, org_id, cluster);
create index idx_reported_updated_at on incumbent.reported (updated_at);

-- What it stores of one round of ours: every report, as compact JSON, and for one target a row of `reported`
-- with the whole report for each of its runs between this report and the next, whether or not anything was
-- notified.
create procedure bench.incumbent_stores(round integer, runs integer)
language plpgsql
as $$
declare
  ends timestamptz := bench.present() + interval '2 hours' * round;
begin
  create temp table round_of_reports on commit drop as
  select r.org_id, r.account_number, r.cluster, r.updated_at at time zone 'UTC' as updated_at, r.kafka_offset,
    replace(replace(r.report, '": ', '":'), ', "', ',"') as report,
    case when exists (
      select from public.reported t
      where t.org_id = r.org_id and t.cluster = r.cluster and t.updated_at = r.updated_at
        and t.event_type_id = 1 and t.state = 1)
    then 1 else 2 end as state
  from public.new_reports r
  where r.updated_at > ends - interval '2 hours' and r.updated_at <= ends;
  insert into incumbent.new_reports (org_id, account_number, cluster, report, updated_at, kafka_offset)
  select org_id, account_number, cluster, report, updated_at,
    (1000 + round) * 100000 + row_number() over (order by updated_at)
  from round_of_reports
  order by updated_at;
  for run in 1..runs loop
    insert into incumbent.reported
    select org_id, account_number, cluster, 1, case when run = 1 then state else 2 end, report, updated_at,
      ends at time zone 'UTC' + interval '2 hours' * run / runs
        + interval '1 millisecond' * row_number() over (order by cluster),
      '', 1
    from round_of_reports
    order by cluster;
  end loop;
  drop table round_of_reports;
end $$;
