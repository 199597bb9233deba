create or replace function ccx.forget_reports() returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  delete from read_errors;
  delete from new_reports;
  delete from reported;
$$;

comment on function ccx.forget_reports() is
  'Deletes every report, read error and row of reported; issues, ledger and outbox stay.';
