-- Row by row: to drop a partition would wait for whoever reads the table. Read errors go with their report, as
-- the incumbent's foreign key has it.
create or replace function ccx.delete_past_age(of_table text, max_age interval) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  horizon constant timestamptz := now() - max_age;
  deleted integer;
begin
  if of_table = 'new_reports' then
    delete from read_errors e
    using new_reports r
    where r.updated_at < horizon
      and e.org_id = r.org_id and e.cluster = r.cluster and e.updated_at = r.updated_at;
    delete from new_reports r where r.updated_at < horizon;
  elsif of_table = 'reported' then
    delete from reported r where r.updated_at < horizon;
  elsif of_table = 'read_errors' then
    delete from read_errors e where e.updated_at < horizon;
  else
    raise exception 'there is no clean-up of the table %', of_table using errcode = 'NTR05';
  end if;
  get diagnostics deleted = row_count;
  return deleted;
end $$;

comment on function ccx.delete_past_age(text, interval) is
  'Deletes the rows of new_reports, reported or read_errors whose report is older than this; returns how many.';
