-- The collation is that of issue.cluster. What comes out of org_issues() has the database's, by which the
-- index of a cluster cannot be asked, and all issues of the organization were read.
create or replace function ccx.cluster_hits(org_id bigint, user_id text, cluster text)
  returns table (component text, error_key text, module text, content_id bigint, total_risk smallint,
    tags text[], managed boolean, acked_since timestamptz, disabled_since timestamptz, user_vote smallint,
    disable_feedback text, details jsonb, opened_at timestamptz)
language sql stable parallel safe
begin atomic
  with report as materialized (
    select d.by_hit
    from (select newest_report(cluster_hits.org_id, cluster_hits.cluster) as report offset 0) n
    cross join lateral details_by_hit(n.report) d
  )
  select i.component, i.error_key, i.module, i.content_id, i.total_risk, i.tags, i.managed, i.acked_since,
    i.disabled_since,
    coalesce((
      select f.user_vote from cluster_rule_user_feedback f
      where f.cluster_id = i.cluster and f.rule_id = i.component and f.error_key = i.error_key
        and f.user_id = cluster_hits.user_id and f.org_id = cluster_hits.org_id), 0)::smallint,
    coalesce(case when i.disabled_since is not null then (
      select f.message from cluster_user_rule_disable_feedback f
      where f.cluster_id = i.cluster and f.rule_id = i.component and f.error_key = i.error_key
        and f.user_id = cluster_hits.user_id and f.org_id = cluster_hits.org_id) end, ''),
    r.by_hit -> i.component -> i.error_key, i.opened_at
  from org_issues(cluster_hits.org_id) i
  left join report r on true
  where i.cluster = cluster_hits.cluster collate "C";
end;

comment on function ccx.cluster_hits(bigint, text, text) is
  'The open issues of one cluster with what this user said of them and the details that the newest '
  'report has.';
