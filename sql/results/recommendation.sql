create or replace view aggregator.recommendation with (security_invoker = true) as
select i.org_id, i.cluster as cluster_id, rule_module(r.component) as rule_fqdn, r.error_key,
  rule_id_of(r.component, r.error_key) as rule_id, l.received_at at time zone 'UTC' as created_at,
  i.opened_at at time zone 'UTC' as impacted_since
from issue i
join rule r on r.id = i.rule_id
join latest_report l on l.cluster = i.cluster and l.org_id = i.org_id and l.left_at is null
where i.closed_at is null;

comment on view aggregator.recommendation is
  'The open issues in the form of the aggregator''s table. They come from reports: an insert has to name '
  'one of them, and changes nothing.';
comment on column aggregator.recommendation.org_id is 'organization that owns the cluster';
comment on column aggregator.recommendation.cluster_id is 'the cluster, in lower case';
comment on column aggregator.recommendation.rule_fqdn is 'the rule''s full module, without .report';
comment on column aggregator.recommendation.error_key is 'which of the rule''s problems';
comment on column aggregator.recommendation.rule_id is 'both: module|KEY';
comment on column aggregator.recommendation.created_at is 'when the newest report was received, in UTC';
comment on column aggregator.recommendation.impacted_since is
  'since when the issue is there without a break, in UTC';
