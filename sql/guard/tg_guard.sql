-- A guard against accidents, not against owners: whoever means it says so with `set local
-- ccx.rewrite_history = on` in the same transaction, and need not disable a trigger, which locks the table.
create or replace function ccx.tg_guard() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  if current_setting('ccx.rewrite_history', true) in ('on', 'true')
    or tg_op = 'UPDATE' and tg_nargs > 1
      and to_jsonb(old) - tg_argv[1:] = to_jsonb(new) - tg_argv[1:]
  then
    if tg_op = 'DELETE' then
      return old;
    end if;
    return new;
  end if;
  raise exception '% of %: %', lower(tg_op), tg_table_name, tg_argv[0]
    using errcode = 'NTK01', table = tg_table_name,
      hint = 'Whoever means it says so in the same transaction: set local ccx.rewrite_history = on';
end $$;

comment on function ccx.tg_guard() is
  'Trigger of tables that keep history: refuses (NTK01) unless ccx.rewrite_history is on. Arguments: what to '
  'do instead; then columns that may change.';
