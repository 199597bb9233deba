-- The proof of the incremental state: what is open must be what the newest stored report of each cluster has,
-- and the history must agree with what is open, and each notification must say when the next one was. Reads
-- every newest report and the ledger: for a check, not for a dashboard.
create or replace view drift with (security_invoker = true) as
with newest as materialized (
  select k.org_id, k.cluster, r.updated_at, readable_report(r.report) as report
  from (
    select l.org_id, l.cluster from latest_report l
    union
    select n.org_id, n.cluster from new_reports n
  ) k
  cross join lateral (
    select n.updated_at, n.report
    from new_reports n
    where n.org_id = k.org_id and n.cluster = k.cluster and pg_input_is_valid(n.report, 'jsonb')
      -- what was of the future when it came is no report
      and n.updated_at <= now() + interval '5 minutes'
      and not exists (
        select from read_errors e
        where e.org_id = n.org_id and e.cluster = n.cluster and e.updated_at = n.updated_at
          and e.error_text = 'report is of a time that is still to come')
    order by n.updated_at desc
    limit 1
  ) r
  -- the newest one was readable when it came; what somebody made of it later is no report
  where not exists (
    select from latest_report l
    join new_reports n on n.org_id = l.org_id and n.cluster = l.cluster and n.updated_at = l.updated_at
    where l.org_id = k.org_id and l.cluster = k.cluster and not pg_input_is_valid(n.report, 'jsonb'))
), hit as materialized (
  select distinct n.org_id, n.cluster, coalesce(renamed.new_component, h.component) as component, h.error_key
  from (
    -- a cluster belongs to the organization of its newest report
    select n.*, first_value(n.org_id) over (
      partition by n.cluster order by n.updated_at desc, n.org_id desc) as owner
    from newest n
  ) n
  cross join lateral report_hits(n.report) h
  left join renamed_rule renamed on renamed.component = h.component and renamed.ended_at is null
  where n.owner = n.org_id
), open_issue as materialized (
  select i.org_id, i.cluster, r.component, r.error_key
  from issue i
  join rule r on r.id = i.rule_id
  where i.closed_at is null
)
select 'newest report' as what, n.org_id, n.cluster, null::text as component, null::text as error_key,
  format('the newest report is of %s, latest_report says %s', n.updated_at,
    coalesce(l.updated_at::text, 'nothing')) as detail
from newest n
left join latest_report l on l.org_id = n.org_id and l.cluster = n.cluster
where l.updated_at is distinct from n.updated_at
union all
select 'missing issue', h.org_id, h.cluster, h.component, h.error_key,
  'the newest report has it, issue does not'
from hit h
left join open_issue o using (org_id, cluster, component, error_key)
where o.cluster is null
union all
select 'surplus issue', o.org_id, o.cluster, o.component, o.error_key,
  'issue has it open, the newest report does not have it'
from open_issue o
left join hit h using (org_id, cluster, component, error_key)
where h.cluster is null
  and exists (select from newest n where n.org_id = o.org_id and n.cluster = o.cluster)
union all
select 'history', i.org_id, i.cluster, r.component, r.error_key,
  format('issue is at occurrence %s (closed %s), its history at %s (closed %s)',
    i.occurrence, coalesce(i.closed_at::text, 'not'), coalesce(o.occurrence::text, 'none'),
      coalesce(o.closed_at::text, 'not'))
from issue i
join rule r on r.id = i.rule_id
left join lateral (
  select o.occurrence, o.opened_at, o.closed_at
  from occurrence o
  where o.issue_id = i.id
  order by o.occurrence desc
  limit 1
) o on true
where (i.occurrence, i.opened_at, i.closed_at) is distinct from (o.occurrence, o.opened_at, o.closed_at)
union all
select 'history', i.org_id, i.cluster, r.component, r.error_key,
  format('occurrence %s had not ended when occurrence %s began', o.occurrence, o.occurrence + 1)
from occurrence o
join issue i on i.id = o.issue_id
join rule r on r.id = i.rule_id
left join occurrence next on next.issue_id = o.issue_id and next.occurrence = o.occurrence + 1
where o.occurrence < i.occurrence
  and (o.known_until <= next.known_from) is not true
union all
select 'notification', i.org_id, i.cluster, r.component, r.error_key,
  format('the one at %s says that the next is at %s; the ledger has it at %s', t.notified_at, t.superseded_at,
    t.notified_again_at)
from (
  select n.issue_id, n.notified_at, n.superseded_at,
    -- a replay is no notification
    case when lower_inf(n.voided) then '-infinity'
      else lead(n.notified_at, 1, 'infinity') over (
        partition by n.issue_id, n.target_id, lower_inf(n.voided) order by n.notified_at, n.notification_id)
    end as notified_again_at
  from notified_issue n
  where not n.resolved
) t
join issue i on i.id = t.issue_id
join rule r on r.id = i.rule_id
where t.superseded_at <> t.notified_again_at
union all
select 'elsewhere', l.org_id, l.cluster, null, null,
  format('bucket %s belongs to another cell', bucket_of(l.cluster))
from latest_report l
cross join cell c
where not c.buckets @> bucket_of(l.cluster);

comment on view drift is
  'Where what is kept up to date (issues as reports arrive, the ledger as they are notified) differs from '
  'what is recomputed from the stored reports and notifications; empty unless something is wrong.';
comment on column drift.what is
  'newest report, missing issue, surplus issue, history, notification, or elsewhere';
comment on column drift.org_id is 'organization that owns the cluster';
comment on column drift.cluster is 'the cluster';
comment on column drift.component is 'the rule, as reports spell it';
comment on column drift.error_key is 'which of the rule''s problems';
comment on column drift.detail is 'what differs';
