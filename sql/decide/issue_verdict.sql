-- The row that verdict() returns. A type, since the columns of `returns table` cannot have a collation:
-- without it a question about one cluster would not reach the index.
create type ccx.issue_verdict as (
  issue_id bigint,
  org_id bigint,
  cluster text collate "C",
  component text,
  error_key text,
  rule_name text,
  first_seen timestamptz,
  content_id bigint,
  total_risk smallint,
  tags text[],
  reasons text[],
  policy policy,
  target_id integer
);

comment on type ccx.issue_verdict is
  'what policy and content alone say about an issue, with the policy that says so';
comment on column ccx.issue_verdict.issue_id is 'the issue, open or not';
comment on column ccx.issue_verdict.org_id is 'organization that owns the cluster';
comment on column ccx.issue_verdict.cluster is 'the cluster';
comment on column ccx.issue_verdict.component is 'its rule, as reports spell it';
comment on column ccx.issue_verdict.error_key is 'which of the rule''s problems';
comment on column ccx.issue_verdict.rule_name is 'bare name of the rule';
comment on column ccx.issue_verdict.first_seen is 'time of the first report that had it';
comment on column ccx.issue_verdict.content_id is
  'content version that decides; null: nothing is known about the rule';
comment on column ccx.issue_verdict.total_risk is 'total risk of the rule';
comment on column ccx.issue_verdict.tags is 'tags of the rule';
comment on column ccx.issue_verdict.reasons is 'reasons that hold it whatever the cluster';
comment on column ccx.issue_verdict.policy is 'the policy version that decides';
comment on column ccx.issue_verdict.target_id is 'the target that the policy is for';
