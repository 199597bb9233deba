-- For the few that details_by_hit() does not have by the name of now: a subquery of its own in the caller
-- would be looked up for all.
create or replace function ccx.details_before_rename(by_hit jsonb, component text, error_key text)
  returns jsonb
language sql stable parallel safe
set search_path = public, ccx, pg_temp
as $$
  select by_hit #> array[n.component, details_before_rename.error_key]
  from renamed_rule n
  where n.new_component = details_before_rename.component
    and by_hit #> array[n.component, details_before_rename.error_key] is not null
  order by n.renamed_at desc
  limit 1;
$$;

comment on function ccx.details_before_rename(jsonb, text, text) is
  'The details of a hit (details_by_hit()) that a report has under a name that its rule had before; null: '
  'none.';
