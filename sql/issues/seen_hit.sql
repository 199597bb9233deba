-- A type, so that the steps of tg_new_reports__issues() can hand hits to each other in a variable.
create type ccx.seen_hit as (
  nth integer,
  org_id bigint,
  cluster text collate "C",
  updated_at timestamptz,
  received_at timestamptz,
  account_number bigint,
  component text,
  error_key text
);

comment on type ccx.seen_hit is 'a hit of a report that arrived; a report without hits has one with nulls';
comment on column ccx.seen_hit.nth is
  'which report of its cluster: 1 for the oldest of those that are new, then 2, …';
comment on column ccx.seen_hit.org_id is 'organization that owns the cluster';
comment on column ccx.seen_hit.cluster is 'the cluster';
comment on column ccx.seen_hit.updated_at is 'time of the report';
comment on column ccx.seen_hit.received_at is 'when the report arrived';
comment on column ccx.seen_hit.account_number is 'account number in the report';
comment on column ccx.seen_hit.component is 'the rule as the report spells it; null: the report has no hits';
comment on column ccx.seen_hit.error_key is 'which of the rule''s problems';
