-- Every version is there under both names: a question about the past gets the same answer by either.
create or replace function ccx.rename_policies(old_name text, new_name text) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  columns text;
  target integer;
  copied integer;
begin
  for target in select distinct p.target_id from policy p where p.rule_name = old_name order by 1 loop
    perform lock_policies(target);
  end loop;
  -- every column but those that the table fills in itself, so that a new setting needs no change here
  select string_agg(quote_ident(a.attname), ', ') into columns
  from pg_attribute a
  where a.attrelid = 'policy'::regclass and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = '' and a.attname not in ('id', 'rule_name', 'validity');
  execute format($query$
    insert into policy (%1$s, rule_name, validity)
    select %1$s, $2, free.validity
    from policy p
    cross join lateral unnest(tstzmultirange(p.validity) - coalesce((
      select range_agg(n.validity)
      from policy n
      where n.rule_name = $2 and n.target_id = p.target_id and n.org_id is not distinct from p.org_id),
      '{}')) as free (validity)
    where p.rule_name = $1
    order by p.id, free.validity$query$, columns)
  using old_name, new_name;
  get diagnostics copied = row_count;

  update policy p
  set validity = tstzrange(lower(p.validity), now()), ended_by = session_user,
    end_reason = format('the rule is %s now', new_name)
  where p.rule_name = old_name and p.validity @> now() and lower(p.validity) < now();
  delete from policy p where p.rule_name = old_name and lower(p.validity) > now();
  return copied;
end $$;

comment on function ccx.rename_policies(text, text) is
  'Lets the policies of a rule go on under its new name, where that has none of its own; returns how many '
  'versions.';
