-- The bounds stand once, as constraints of the table, and what they mean in the comments on them. Asking them
-- here gives that sentence instead of the constraint's name, and holds a policy that is only tried out
-- (backtest) to the same bounds.
create or replace function ccx.check_policy(policy policy) returns void
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
declare
  bound record;
  holds boolean;
begin
  for bound in
    select a.attname as column_name
    from pg_attribute a
    where a.attrelid = 'policy'::regclass and a.attnum > 0 and a.attnotnull and not a.attisdropped
      and a.attname not in ('id', 'changed_by', 'reason')
    order by a.attnum
  loop
    execute format('select ($1).%I is not null', bound.column_name) into holds using policy;
    if not holds then
      raise exception 'the setting % cannot be empty', bound.column_name
        using errcode = 'NTP05', column = bound.column_name;
    end if;
  end loop;
  for bound in
    select c.conname,
      (select a.attname from pg_attribute a where a.attrelid = c.conrelid and a.attnum = c.conkey[1])
        as column_name,
      pg_get_expr(c.conbin, c.conrelid) as expression,
      coalesce(obj_description(c.oid, 'pg_constraint'), c.conname) as meaning
    from pg_constraint c
    where c.conrelid = 'policy'::regclass and c.contype = 'c'
    order by c.conname
  loop
    execute format('select %s from (select ($1).*) as policy', bound.expression) into holds using policy;
    if not holds or bound.conname = 'policy_reason_check' and holds is null then
      raise exception '%', bound.meaning
        using errcode = 'NTP06', constraint = bound.conname, column = bound.column_name;
    end if;
  end loop;
end $$;

comment on function ccx.check_policy(policy) is
  'Refuses, with a sentence, a policy that the table would not take; whether its time is free is not asked.';
