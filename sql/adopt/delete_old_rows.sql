-- Some thousand rows at a time, oldest first: no statement holds its locks for minutes, and nobody who reads
-- is waited for.
create or replace function ccx.delete_old_rows(name text, max_age text, batch_size integer) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  age constant interval := old_age(max_age);
  columns constant text := case name
    when 'new_reports' then 'org_id, cluster, updated_at'
    when 'reported' then 'org_id, cluster, notified_at, event_type_id'
    when 'read_errors' then 'error_id'
  end;
  deleted integer;
  deleted_before integer := 0;
begin
  if columns is null then
    raise exception 'there is no table % of old rows: new_reports, reported or read_errors', name
      using errcode = 'NTM02';
  end if;
  execute format(
    'delete from public.%1$I where (%2$s) in (
       select %2$s from public.%1$I where updated_at < now() - $1 order by updated_at limit $2)',
    name, columns)
  using age, batch_size;
  get diagnostics deleted = row_count;
  if to_regclass('incumbent.adoption') is not null then
    execute format(
      'delete from incumbent.%1$I where ctid = any (array(
         select ctid from incumbent.%1$I
         where updated_at < (now() - $1) at time zone (select a.time_zone from incumbent.adoption a)
         order by updated_at limit $2))', name)
    using age, batch_size;
    get diagnostics deleted_before = row_count;
  end if;
  return deleted + deleted_before;
end $$;

comment on function ccx.delete_old_rows(text, text, integer) is
  'Deletes up to batch_size of the rows that old_rows() shows, oldest first, and as many from before an '
  'adoption; returns how many. To be called until it returns 0.';
