create or replace function ccx.aggregator_report(org_id bigint, user_id text, cluster text) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'report', jsonb_build_object(
      'meta', jsonb_strip_nulls(jsonb_build_object('cluster_name', '',
        'count', coalesce(nullif(jsonb_array_length(h.hits), 0), -1),
        'last_checked_at', seconds_text(l.updated_at), 'gathered_at', seconds_text(l.gathered_at))),
      'reports', h.hits))
    from latest_report l
    cross join lateral (
      select coalesce(jsonb_agg(
        aggregator_hit(h.component, h.error_key, h.disabled_since, h.disable_feedback, h.user_vote, h.details)
        || jsonb_build_object('impacted', seconds_text(h.opened_at))
        order by h.component collate "C", h.error_key collate "C"), '[]') as hits
      from cluster_hits(aggregator_report.org_id, aggregator_report.user_id, aggregator_report.cluster) h
    ) h
    where l.cluster = aggregator_report.cluster and l.org_id = aggregator_report.org_id
      and l.left_at is null);
end $$;

comment on function ccx.aggregator_report(bigint, text, text) is
  'The newest report of a cluster as the aggregator shows it: every hit, whatever is known about it. Null: '
  'no such cluster.';
