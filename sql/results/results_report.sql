create or replace function ccx.results_report(
  org_id bigint, user_id text, cluster text, version integer default 2, with_disabled boolean default false,
  osd text default 'managed', with_internal boolean default false
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  meta jsonb;
  report jsonb;
begin
  select jsonb_strip_nulls(jsonb_build_object(
      'last_checked_at', seconds_text(l.updated_at),
      'gathered_at', case version when 2 then seconds_text(l.gathered_at) end,
      'cluster_name', case version when 2 then coalesce(g.display_name, l.cluster) end,
      'managed', case version when 2 then coalesce(g.managed, false) end))
  into meta
  from latest_report l
  left join cluster_registry g on g.cluster = l.cluster and g.org_id = l.org_id
  where l.cluster = results_report.cluster and l.org_id = results_report.org_id and l.left_at is null;
  if meta is null then
    return null;
  end if;

  -- what nothing is known about is counted, but only beside something that is shown
  select jsonb_build_object(
    'meta', meta || jsonb_build_object('count',
      case when count(h.content_id) = 0 then 0 else count(*) end),
    'data', coalesce(
      jsonb_agg(
        hit_in_json(h.component, h.error_key, c, h.disabled_since, h.disable_feedback, h.user_vote, h.details,
          case version when 2 then h.opened_at end)
        order by h.total_risk desc, h.component, h.error_key)
      filter (where h.content_id is not null), '[]'))
  into report
  from (
    -- first, or every rule there is would be looked at for whether it is internal
    select *
    from cluster_hits(results_report.org_id, results_report.user_id, results_report.cluster)
    offset 0) h
  left join rule_content c on c.id = h.content_id
  where (with_internal or not is_internal(h.module))
    and (with_disabled or h.acked_since is null and h.disabled_since is null)
    and (h.content_id is null or 'osd_customer' = any (h.tags)
      or not (osd = 'always' or osd = 'managed' and h.managed));
  return jsonb_build_object('status', 'ok', 'report', report);
end $$;

comment on function ccx.results_report(bigint, text, text, integer, boolean, text, boolean) is
  'The newest report of a cluster, as version 1 or 2 of the public API shows it. osd: who sees only rules '
  'for managed clusters: managed (those that are), always, or never. Null: no such cluster.';
