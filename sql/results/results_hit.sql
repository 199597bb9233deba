create or replace function ccx.results_hit(
  org_id bigint, user_id text, cluster text, module text, error_key text, osd boolean default false
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'report',
      hit_in_json(h.component, h.error_key, c, h.disabled_since, h.disable_feedback, h.user_vote, h.details,
        h.opened_at))
    from cluster_hits(results_hit.org_id, results_hit.user_id, results_hit.cluster) h
    join rule_content c on c.id = h.content_id
    where h.module = rule_module(results_hit.module) and h.error_key = results_hit.error_key
      and (not osd or 'osd_customer' = any (h.tags))
    order by h.component
    limit 1);
end $$;

comment on function ccx.results_hit(bigint, text, text, text, text, boolean) is
  'One hit of the newest report of a cluster. Null: it has no such hit, nothing is known about it, or it is '
  'not for managed clusters and only such were asked for.';
