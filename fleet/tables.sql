-- What is here already stays as it is: this file is run again after each change of it. A column that a
-- release adds goes into its table and, for databases that are there, into an `alter table … add column if
-- not exists`.

create table if not exists fleet.cell (
  name text primary key,
  host text not null,
  port integer not null,
  dbname text not null,
  login text not null,
  settings_login text,
  buckets int4multirange not null,
  attached_at timestamptz not null default now(),
  attached_by text not null default session_user
);
comment on table fleet.cell is 'the cells that are attached';
comment on column fleet.cell.name is 'name of the cell, as it calls itself';
comment on column fleet.cell.host is 'where its server is';
comment on column fleet.cell.port is 'port of the server';
comment on column fleet.cell.dbname is 'name of its database';
comment on column fleet.cell.login is 'who asks there';
comment on column fleet.cell.settings_login is 'who applies settings there; null: it gets none from here';
comment on column fleet.cell.buckets is 'the buckets it had when it was attached';
comment on column fleet.cell.attached_at is 'when it was attached (again)';
comment on column fleet.cell.attached_by is 'by whom';

create table if not exists fleet.setting (
  position bigint generated always as identity primary key,
  id uuid not null unique default gen_random_uuid(),
  action text not null,
  arguments jsonb not null check (jsonb_typeof(arguments) = 'object'),
  at timestamptz not null check (isfinite(at)),
  queued_by text not null default session_user,
  queued_at timestamptz not null default now()
);
comment on table fleet.setting is 'the outbox: settings for every cell, in the order in which each gets them';
comment on column fleet.setting.position is 'its place in the order';
comment on column fleet.setting.id is 'its number in the cells, different in all fleets';
comment on column fleet.setting.action is 'the function that each cell calls, for example set_policy';
comment on column fleet.setting.arguments is 'its arguments by name';
comment on column fleet.setting.at is 'from when it counts, the same in every cell';
comment on column fleet.setting.queued_by is 'who queued it; the cells record it';
comment on column fleet.setting.queued_at is 'when it was queued';

create table if not exists fleet.outcome (
  setting_id uuid not null references fleet.setting (id) on delete cascade,
  cell text not null references fleet.cell on delete cascade,
  state text not null check (state in ('applied', 'refused', 'waiting')),
  tried_at timestamptz not null,
  error text,
  primary key (setting_id, cell)
);
comment on table fleet.outcome is 'what became of each setting in each cell; none: nobody has tried yet';
comment on column fleet.outcome.setting_id is 'the setting';
comment on column fleet.outcome.cell is 'the cell';
comment on column fleet.outcome.state is 'applied, refused (for good), or waiting (it is tried again)';
comment on column fleet.outcome.tried_at is 'when it was tried last';
comment on column fleet.outcome.error is 'what the cell said, or what kept it from answering';

-- What each cell answers: views of the schema fleet there ---------------------------------------------------

create table if not exists fleet.cell_state (
  cell text,
  buckets int4multirange,
  adopted_at timestamptz,
  release text,
  attention text[],
  columns text[]
) partition by list (cell);
comment on table fleet.cell_state is 'which cell each is, how it is, and what it can be asked';

create table if not exists fleet.cluster (
  cell text,
  org_id bigint,
  cluster text collate "C",
  updated_at timestamptz,
  received_at timestamptz,
  left_at timestamptz,
  cluster_version text
) partition by list (cell);
comment on table fleet.cluster is 'the clusters of all cells, each with the times of its newest report';

create table if not exists fleet.delivery_gap (
  cell text,
  target text,
  notification_id bigint,
  message_id uuid,
  org_id bigint,
  cluster text collate "C",
  issues bigint,
  decided_at timestamptz,
  age interval,
  attempts integer,
  next_attempt_at timestamptz,
  given_up_at timestamptz,
  failure text,
  last_error text,
  leased_until timestamptz,
  held_until timestamptz,
  replay_of bigint,
  state text
) partition by list (cell);
comment on table fleet.delivery_gap is 'what all cells have decided and not delivered';

create table if not exists fleet.doctor (
  cell text,
  severity text,
  topic text,
  finding text collate "C",
  meaning text,
  what_to_do text collate "C"
) partition by list (cell);
comment on table fleet.doctor is 'what somebody should look at, in all cells';

create table if not exists fleet.drift (
  cell text,
  what text,
  org_id bigint,
  cluster text collate "C",
  component text,
  error_key text,
  detail text
) partition by list (cell);
comment on table fleet.drift is 'where what a cell keeps differs from what it recomputes';

create table if not exists fleet.explain_notification (
  cell text,
  target text,
  org_id bigint,
  cluster text collate "C",
  component text,
  error_key text,
  decision text,
  reasons text[],
  total_risk smallint,
  last_notified_at timestamptz,
  next_eligible_at timestamptz,
  occurrence integer,
  issue_state text,
  first_seen timestamptz,
  last_seen timestamptz,
  issue_id bigint,
  policy_id bigint,
  content_id bigint,
  silence_id bigint,
  acknowledgement_id bigint,
  render_error text
) partition by list (cell);
comment on table fleet.explain_notification is 'why somebody is (or is not) notified, in all cells';

create table if not exists fleet.notified (
  cell text,
  target text,
  org_id bigint,
  cluster text collate "C",
  component text,
  error_key text,
  occurrence integer,
  notified_at timestamptz,
  cooldown_period tstzrange,
  superseded_at timestamptz,
  resolved boolean,
  live boolean,
  message_id uuid,
  state text
) partition by list (cell);
comment on table fleet.notified is 'what all cells have notified';

create table if not exists fleet.setting_in_force (
  cell text,
  kind text,
  name text,
  setting jsonb
) partition by list (cell);
comment on table fleet.setting_in_force is 'what is set in each cell, and should be the same in all';

-- What settings are brought with: a row that is inserted here is applied there ------------------------------

create table if not exists fleet.applied (
  cell text not null,
  setting_id uuid not null,
  action text not null,
  arguments jsonb not null,
  at timestamptz not null,
  queued_by text not null
) partition by list (cell);
comment on table fleet.applied is 'the settings that each cell has got; to insert a row is to apply it there';
