create or replace view failing_rules with (security_invoker = true) as
select
  f.component,
  f.reason,
  count(*) as archives,
  min(f.failed_at) as first_at,
  max(f.failed_at) as last_at,
  (array_agg(f.detail order by f.failed_at desc))[1] as last_detail,
  (array_agg(f.analysis_id order by f.failed_at desc))[1] as last_analysis_id,
  r.suspended_at
from rule_failure f
left join sql_rule r on r.component = f.component
group by f.component, f.reason, r.suspended_at;

comment on view failing_rules is
  'Rules that failed on archives, and why; a failed rule counts as one without a hit.';
comment on column failing_rules.component is 'the rule';
comment on column failing_rules.reason is 'why, from a fixed vocabulary (docs/reference/reasons.md)';
comment on column failing_rules.archives is 'on how many archives';
comment on column failing_rules.first_at is 'when it failed first';
comment on column failing_rules.last_at is 'when it failed last';
comment on column failing_rules.last_detail is 'why it failed last, as a sentence';
comment on column failing_rules.last_analysis_id is 'on which archive it failed last';
comment on column failing_rules.suspended_at is
  'since when it does not run any more, since it took too long too often; null: it runs';
