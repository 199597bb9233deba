-- An aggregator goes on to write the name that it knows.
create or replace function ccx.present_name(rule_name text) returns text
language sql stable parallel safe
set search_path = public, ccx, pg_temp
as $$
  select coalesce(
    (
      select min(n.new_name)
      from renamed_rule n
      where n.old_name = present_name.rule_name and n.ended_at is null
        and not exists (
          select from renamed_rule o where o.new_name = present_name.rule_name and o.ended_at is null)),
    present_name.rule_name);
$$;

comment on function ccx.present_name(text) is
  'The bare name that a rule has now, by one that it has or had (renamed_rule).';
