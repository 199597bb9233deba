-- Makes room for one day. Rows of that day that already went to the default partition are moved along, so a
-- partition can be added late. Days are UTC days.
create or replace function ccx.ensure_partition(parent text, day date) returns boolean
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  name text := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
  day_start timestamptz := day::timestamp at time zone 'UTC';
  day_end timestamptz := (day + 1)::timestamp at time zone 'UTC';
  time_column text;
begin
  if to_regclass(quote_ident(name)) is not null then
    return false;
  end if;
  time_column := case parent when 'new_reports' then 'updated_at' when 'reported' then 'notified_at' end;
  if time_column is null then
    raise exception 'table % is not partitioned by day', parent using errcode = 'NTR01';
  end if;

  -- two callers at once: the second waits, then finds it done (not by to_regclass(), which may answer from a cache
  -- that a wait for an advisory lock does not renew)
  perform pg_advisory_xact_lock(hashtextextended('ensure_partition ' || parent, 0));
  if exists (select from pg_class c where c.relname = name and c.relnamespace = 'public'::regnamespace) then
    return false;
  end if;
  execute format('create table %I (like %I including all)', name, parent);
  execute format(
    'with moved as (delete from %I where %I >= %L and %I < %L returning *) insert into %I select * from moved',
    parent || '_default', time_column, day_start, time_column, day_end, name);
  execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, name, day_start, day_end);
  execute format('comment on table %I is %L', name, format('%s of %s', parent, day));
  return true;
end $$;

comment on function ccx.ensure_partition(text, date) is
  'Makes sure that new_reports or reported has a partition for this UTC day; true when it was made now.';
