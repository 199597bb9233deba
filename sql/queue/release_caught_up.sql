-- So many at a time, in the transaction of a decision: one that caught up may have left a million behind it.
create or replace function ccx.release_caught_up(batch_size integer) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  released integer;
begin
  if not exists (select from decision_due d where d.backlog_of is not null) then
    return 0;
  end if;
  update decision_due d
  set due_at = least(d.due_at, clock_timestamp()), backlog_of = null
  where d.ctid = any (array(
    select w.ctid
    from decision_due w
    where w.backlog_of in (
      select concat_ws('/', o.topic, o.partition) from consumer_offset o where not o.is_behind)
    limit batch_size
    for update skip locked));
  get diagnostics released = row_count;
  return released;
end $$;

comment on function ccx.release_caught_up(integer) is
  'Makes up to batch_size clusters due at once whose decision waited for the rest of a partition that has '
  'been caught up with; returns how many.';
