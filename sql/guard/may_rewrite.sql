-- A setting of ours in the head of a function is for superusers alone, and whoever migrates may be none. What
-- is set here ends with the transaction, or with the savepoint that is rolled back.
create or replace function ccx.may_rewrite(wanted text) returns text
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  was text := coalesce(current_setting('ccx.rewrite_history', true), '');
begin
  perform set_config('ccx.rewrite_history', coalesce(wanted, ''), true);
  return was;
end $$;

comment on function ccx.may_rewrite(text) is
  'Sets ccx.rewrite_history for the statements that follow, and returns what it was, to be set again after '
  'them.';
