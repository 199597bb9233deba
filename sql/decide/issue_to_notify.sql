-- A type, so that decide_due() can hold what is to be notified in a variable.
create type ccx.issue_to_notify as (
  target_id integer,
  org_id bigint,
  cluster text collate "C",
  issue_id bigint,
  occurrence integer,
  content_id bigint,
  policy_id bigint,
  last_seen timestamptz,
  total_risk smallint,
  resolved boolean,
  component text
);

comment on type ccx.issue_to_notify is 'what decide_due() needs of an issue that is to be notified';
comment on column ccx.issue_to_notify.target_id is 'the target';
comment on column ccx.issue_to_notify.org_id is 'organization that owns the cluster';
comment on column ccx.issue_to_notify.cluster is 'the cluster';
comment on column ccx.issue_to_notify.issue_id is 'the issue';
comment on column ccx.issue_to_notify.occurrence is 'which of its occurrences';
comment on column ccx.issue_to_notify.content_id is 'content version that decided';
comment on column ccx.issue_to_notify.policy_id is 'policy version that decided';
comment on column ccx.issue_to_notify.last_seen is 'time of the newest report that has it';
comment on column ccx.issue_to_notify.total_risk is 'total risk of the rule';
comment on column ccx.issue_to_notify.resolved is 'it is notified as gone';
comment on column ccx.issue_to_notify.component is 'its rule, as reports spell it';
