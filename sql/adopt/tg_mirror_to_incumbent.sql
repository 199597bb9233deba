create or replace function ccx.tg_mirror_to_incumbent() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
begin
  if tg_table_name = 'new_reports' then
    perform put_back_reports(array_agg(w::new_reports))
    from written w;
  else
    perform put_back_reported(array_agg(w::reported))
    from written w;
  end if;
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_mirror_to_incumbent() from public;

comment on function ccx.tg_mirror_to_incumbent() is
  'Trigger of new_reports and reported while an adoption is undone: what is written there is written to the '
  'old tables, too.';
