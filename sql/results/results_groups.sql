create or replace function ccx.results_groups() returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select json_build_object('groups', coalesce(json_agg(json_build_object('title', g.title,
      'description', g.description, 'tags', to_json(g.tags)) order by g.position), '[]'), 'status', 'ok')
    from rule_group g);
end $$;

comment on function ccx.results_groups() is 'The groups that rules are shown in.';
