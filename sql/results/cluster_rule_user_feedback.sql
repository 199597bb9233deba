create or replace view aggregator.cluster_rule_user_feedback with (security_invoker = true) as
select f.cluster_id, f.rule_id, f.error_key, f.user_id, f.org_id::text as org_id, f.message, f.user_vote,
  f.added_at at time zone 'UTC' as added_at, f.updated_at at time zone 'UTC' as updated_at
from cluster_rule_user_feedback f;

comment on view aggregator.cluster_rule_user_feedback is
  'What users think of an issue, in the form of the aggregator''s table; an insert is a vote, and a second '
  'one of the same user takes the place of the first.';
comment on column aggregator.cluster_rule_user_feedback.cluster_id is 'the cluster';
comment on column aggregator.cluster_rule_user_feedback.rule_id is 'the rule as reports spell it (x.report)';
comment on column aggregator.cluster_rule_user_feedback.error_key is 'which of the rule''s problems';
comment on column aggregator.cluster_rule_user_feedback.user_id is 'the user, as the identity names him';
comment on column aggregator.cluster_rule_user_feedback.org_id is 'organization of the user, as text';
comment on column aggregator.cluster_rule_user_feedback.message is 'what the user says';
comment on column aggregator.cluster_rule_user_feedback.user_vote is '1 like, -1 dislike, 0 neither';
comment on column aggregator.cluster_rule_user_feedback.added_at is
  'when the first vote or text came, in UTC';
comment on column aggregator.cluster_rule_user_feedback.updated_at is 'when the last one came, in UTC';
