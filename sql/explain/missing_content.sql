create or replace view missing_content with (security_invoker = true) as
select
  v.component,
  v.error_key,
  count(*) as issues,
  count(distinct v.cluster) as clusters,
  count(distinct v.org_id) as organizations,
  min(v.first_seen) as first_seen
from verdict((select min(t.id) from event_targets t), now()) v
join issue i on i.id = v.issue_id
where i.closed_at is null and 'no_content' = any (v.reasons)
group by v.component, v.error_key;

comment on view missing_content is
  'Rules that clusters have open issues of and nothing is known about; they are held until content arrives.';
comment on column missing_content.component is 'the rule, as reports spell it';
comment on column missing_content.error_key is 'which of the rule''s problems';
comment on column missing_content.issues is 'how many open issues wait for it';
comment on column missing_content.clusters is 'of how many clusters';
comment on column missing_content.organizations is 'of how many organizations';
comment on column missing_content.first_seen is 'time of the first report that had it';
