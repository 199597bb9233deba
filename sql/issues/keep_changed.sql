-- Most reports say what the one before them said. They need nothing more, and to leave them out here is half
-- of what a batch took.
create or replace function ccx.keep_changed(hits seen_hit[]) returns seen_hit[]
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
declare
  changed_hits seen_hit[];
begin
  with changed as materialized (
    select h.org_id, h.cluster
    from unnest(hits) h
    left join rule r on r.component = h.component and r.error_key = h.error_key
    group by h.org_id, h.cluster
    having max(h.nth) > 1
      or coalesce(array_agg(r.id order by r.id) filter (where r.id is not null), '{}') <> array(
        select i.rule_id
        from issue i
        where i.cluster = h.cluster and i.org_id = h.org_id and i.closed_at is null
        order by i.rule_id)
  )
  select array_agg(h) into changed_hits
  from unnest(hits) h
  join changed using (org_id, cluster);
  return changed_hits;
end $$;

comment on function ccx.keep_changed(seen_hit[]) is
  'The hits of those clusters that do not have just the issues that are open, or sent several reports; '
  'null: of none.';
