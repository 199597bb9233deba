create or replace function ccx.tg_retention__kept() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  raise exception 'a row of retention is not deleted: nothing of its table would be dropped any more'
    using errcode = 'NTR04', hint = 'Change it: select set_retention(''notification'', ''400 days'').';
end $$;

comment on function ccx.tg_retention__kept() is
  'Trigger of retention: a row that is missing would end retention of its table without a word.';
