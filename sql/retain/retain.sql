-- One step at a time, each a short transaction of its own, until there is none left:
-- 1. drop what an earlier step took out. To unlink gigabytes takes long, and nobody waits for it.
-- 2. take the oldest day that is past, and that nothing holds, out of its parent. Newest reports stay in
--    latest_report. That needs the parent for itself for a moment: we wait a quarter of a second for it at
--    most, since everybody who comes after us waits behind us (55P03: try again). (`detach … concurrently`
--    does not wait, but does not work beside a default partition, nor in a function.)
-- 3. delete what is past from the default partitions and the tables without days (past_rows), oldest first,
-- 10,000 rows at a time. Whoever dies in between leaves what the next one finds.
--
-- With the rights of the owner: only he can take a day out of a table, and nobody else may delete from the
-- ledger. So nobody else may name a time that is still to come, at which all of it would be past.
create or replace function retain(at timestamptz default now())
returns table (action text, name text, row_count bigint, bytes bigint)
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
set lock_timeout = '250ms'
as $$
#variable_conflict use_column
declare
  past partitions;
  kept record;
  cleared bigint;
  was text;
begin
  perform given(retain.at);
  if retain.at > now() + interval '5 minutes' and not pg_has_role(session_user, current_user, 'member') then
    raise exception 'retention cannot be of a time that is still to come: %', retain.at
      using errcode = 'NTR06';
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('retain', 0)) then
    return; -- somebody else is at it
  end if;

  select p.* into past from partitions p where not p.is_attached order by p.day, p.name limit 1;
  if found then
    execute format('drop table %I', past.name);
    return query select 'dropped', past.name, past.rows, past.bytes;
    return;
  end if;

  for past in
    select p.*
    from partitions p
    where p.is_attached and p.day < (retention_horizon(p.parent, at) at time zone 'UTC')::date
    order by p.day, p.parent
  loop
    continue when partition_held_by(past.parent, past.day, at) is not null;
    if past.parent = 'new_reports' then
      perform keep_newest_reports(past.day::timestamp at time zone 'UTC',
        (past.day + 1)::timestamp at time zone 'UTC');
    end if;
    execute format('lock table %I in access exclusive mode', past.parent);
    -- what was decided between the look and the lock
    continue when partition_held_by(past.parent, past.day, at) is not null;
    execute format('alter table %I detach partition %I', past.parent, past.name);
    execute format('alter table %I rename to %I', past.name, past.name || '_detached');
    return query select 'detached', past.name, past.rows, past.bytes;
    return;
  end loop;

  for kept in
    select case when r.parent in ('new_reports', 'reported') then r.parent || '_default' else r.parent end
        as name, retention_horizon(r.parent, at) as horizon
    from retention r
    order by r.parent = 'latest_report', r.parent
  loop
    if kept.name = 'new_reports_default' and exists (
        select from new_reports_default d where d.updated_at < kept.horizon) then
      perform keep_newest_reports('-infinity', kept.horizon);
    end if;
    if kept.name = 'latest_report' then
      cleared := retire_clusters(at, kept.horizon);
      if cleared > 0 then
        return query select 'deleted', kept.name, cleared, null::bigint;
        return;
      end if;
      continue;
    end if;
    was := may_rewrite('on');
    execute format('delete from %I d where d.ctid = any (array(%s limit 10000))', kept.name,
      past_rows(kept.name))
    using at, kept.horizon;
    get diagnostics cleared = row_count;
    perform may_rewrite(was);
    if cleared > 0 then
      return query select 'deleted', kept.name, cleared, null::bigint;
      return;
    end if;
  end loop;
end $$;
revoke execute on function retain(timestamptz) from public;

comment on function retain(timestamptz) is
  'Does the next step of retention, and says what it was (detached or dropped a day, deleted rows that '
  'belong to no day); no row: nothing is left to do, or somebody else does it. Raises NTR06, and 55P03 '
  'where the table is busy: call it again.';
