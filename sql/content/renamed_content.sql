create or replace function ccx.renamed_content(content jsonb) returns jsonb
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
begin
  if not exists (select from renamed_rule n where n.ended_at is null and n.old_name <> n.new_name) then
    return content;
  end if;
  return (
    select jsonb_agg(
      case when n.new_name is null or exists (
          select from jsonb_array_elements(content) o (rule)
          where o.rule ->> 'rule_name' = n.new_name and o.rule ->> 'error_key' = c.rule ->> 'error_key')
        then c.rule else jsonb_set(c.rule, '{rule_name}', to_jsonb(n.new_name)) end
      order by c.nth)
    from jsonb_array_elements(content) with ordinality c (rule, nth)
    left join (
      select n.old_name, min(n.new_name) as new_name
      from renamed_rule n
      where n.ended_at is null and n.old_name <> n.new_name
      group by n.old_name) n on n.old_name = c.rule ->> 'rule_name');
end $$;

comment on function ccx.renamed_content(jsonb) is
  'Content as load_content() takes it, in which a rule that only its old name names has its new one.';
