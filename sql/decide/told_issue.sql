-- A type, so that decide_due() can hold what is to be told in a variable.
create type told_issue as (
  target_id integer,
  org_id bigint,
  cluster text collate "C",
  issue_id bigint,
  occurrence integer,
  content_id bigint,
  policy_id bigint,
  last_seen timestamptz,
  total_risk smallint,
  resolved boolean
);

comment on type told_issue is 'what decide_due() needs of an issue that is to be told';
comment on column told_issue.target_id is 'the target';
comment on column told_issue.org_id is 'organization that owns the cluster';
comment on column told_issue.cluster is 'the cluster';
comment on column told_issue.issue_id is 'the issue';
comment on column told_issue.occurrence is 'which of its occurrences';
comment on column told_issue.content_id is 'content version that decided';
comment on column told_issue.policy_id is 'policy version that decided';
comment on column told_issue.last_seen is 'time of the newest report that has it';
comment on column told_issue.total_risk is 'total risk of the rule';
comment on column told_issue.resolved is 'it is told as gone';
