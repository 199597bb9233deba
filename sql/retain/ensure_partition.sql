-- Makes room for one day. Rows of that day that already went to the default partition are moved along, so a
-- partition can be added late. Days are UTC days.
--
-- The tables are hot: a session that has read one (pg_dump, a person) holds a lock to its end, and everybody
-- queues behind a lock that waits for it. So this waits a moment only, and leaves the day to the next call:
-- the sweep makes days ahead every minute, and until then rows go to the default partition. The lock on the
-- parent waits for writers: a row that is on its way to the default partition would be refused by it once its
-- day is attached.
--
-- The default partition is locked once, in the mode that attaching needs, and the parent alone (`only`): to
-- take a weaker lock first would be a deadlock with everybody who has read the default partition and then
-- writes to it, as retain() does.
--
-- With the rights of the owner, whose the new table is. Where the rows of the parent have policies (room
-- roles), the day is closed to everybody else: it inherits none, and is read through its parent.
create or replace function ccx.ensure_partition(parent text, day date) returns boolean
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
set lock_timeout = '250ms'
as $$
declare
  name text := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
  day_start timestamptz := day::timestamp at time zone 'UTC';
  day_end timestamptz := (day + 1)::timestamp at time zone 'UTC';
  time_column text;
begin
  -- others have no name of their own: their rows stay where they are
  if coalesce(day not between '0001-01-01' and '9999-12-31', true)
    or to_regclass(quote_ident(name)) is not null
  then
    return false;
  end if;
  time_column := case parent when 'new_reports' then 'updated_at' when 'reported' then 'notified_at' end;
  if time_column is null then
    raise exception 'table % is not partitioned by day', parent using errcode = 'NTR01';
  end if;

  -- two callers at once: the second waits, then finds it done (not by to_regclass(), which may answer from a
  -- cache that a wait for an advisory lock does not renew)
  perform pg_advisory_xact_lock(hashtextextended('ensure_partition ' || parent, 0));
  if exists (select from pg_class c where c.relname = name and c.relnamespace = 'public'::regnamespace) then
    return false;
  end if;
  execute format('lock table only %I in share row exclusive mode', parent);
  execute format('lock table %I in access exclusive mode', parent || '_default');
  execute format('create table %I (like %I including all)', name, parent);
  if (select c.relrowsecurity from pg_class c where c.oid = parent::regclass) then
    execute format('alter table %I enable row level security', name);
  end if;
  execute format(
    'with moved as (delete from %I where %I >= %L and %I < %L returning *) '
    'insert into %I select * from moved',
    parent || '_default', time_column, day_start, time_column, day_end, name);
  execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, name, day_start,
    day_end);
  execute format('comment on table %I is %L', name, format('%s of %s', parent, day));
  return true;
exception
  when lock_not_available or deadlock_detected then
    return false;
end $$;
revoke execute on function ccx.ensure_partition(text, date) from public;

comment on function ccx.ensure_partition(text, date) is
  'Makes sure that new_reports or reported has a partition for this UTC day; true when it was made now, '
  'false also when others hold the table (the next call makes it), or for a day of no year from 1 to 9999.';
