-- The row that verdict() returns. A type, since the columns of `returns table` cannot have a collation: without it a question
-- about one cluster would not reach the index.
create type issue_verdict as (
  issue_id bigint,
  org_id bigint,
  cluster text collate "C",
  component text,
  error_key text,
  rule_name text,
  first_seen timestamptz,
  policy_id bigint,
  content_id bigint,
  total_risk smallint,
  tags text[],
  reasons text[],
  cooldown interval,
  spacing interval,
  allowed_clusters text[],
  blocked_clusters text[],
  flapping_occurrences smallint,
  flapping_window interval,
  flapping_action text,
  tell_resolved_since timestamptz,
  max_events integer,
  target_id integer
);

comment on type issue_verdict is 'what policy and content alone say about an issue, with what else is needed of the policy';
comment on column issue_verdict.issue_id is 'the issue, open or not';
comment on column issue_verdict.org_id is 'organization that owns the cluster';
comment on column issue_verdict.cluster is 'the cluster';
comment on column issue_verdict.component is 'its rule, as reports spell it';
comment on column issue_verdict.error_key is 'which of the rule''s problems';
comment on column issue_verdict.rule_name is 'bare name of the rule';
comment on column issue_verdict.first_seen is 'time of the first report that had it';
comment on column issue_verdict.policy_id is 'policy version that decides';
comment on column issue_verdict.content_id is 'content version that decides; null: nothing is known about the rule';
comment on column issue_verdict.total_risk is 'total risk of the rule';
comment on column issue_verdict.tags is 'tags of the rule';
comment on column issue_verdict.reasons is 'reasons that hold it whatever the cluster';
comment on column issue_verdict.cooldown is 'cooldown of the policy';
comment on column issue_verdict.spacing is 'spacing of the policy';
comment on column issue_verdict.allowed_clusters is 'the only clusters the policy allows; null: all';
comment on column issue_verdict.blocked_clusters is 'clusters the policy blocks';
comment on column issue_verdict.flapping_occurrences is 'so many occurrences within flapping_window are flapping';
comment on column issue_verdict.flapping_window is 'see flapping_occurrences';
comment on column issue_verdict.flapping_action is 'tell or damp';
comment on column issue_verdict.tell_resolved_since is 'issues that went after this are told as resolved; null: none';
comment on column issue_verdict.max_events is 'most issues in one message';
comment on column issue_verdict.target_id is 'the target that the policy is for';
