-- What follows a rename for some hours: messages that waited, and clusters whose producer is older. A report
-- that has both names has the rule once.
create or replace function ccx.renamed_hits(hits seen_hit[]) returns seen_hit[]
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
begin
  if not exists (select from renamed_rule n where n.ended_at is null) then
    return hits;
  end if;
  return (
    select array_agg(distinct (h.nth, h.org_id, h.cluster, h.updated_at, h.received_at, h.account_number,
      coalesce(n.new_component, h.component), h.error_key)::seen_hit)
    from unnest(hits) h
    left join renamed_rule n on n.component = h.component and n.ended_at is null);
end $$;

comment on function ccx.renamed_hits(seen_hit[]) is
  'The same hits, each under the name that its rule has now (renamed_rule).';
