-- Asked before a backtest begins, so that what makes no sense is refused even where nothing could be
-- replayed.
create or replace function ccx.check_backtest(
  target text, from_time timestamptz, to_time timestamptz, policy jsonb, org_id bigint
) returns void
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  wanted_target integer := target_id(check_backtest.target);
begin
  -- added, not subtracted: infinite times have no difference in PostgreSQL 16; in hours, since days follow
  -- the time zone
  if from_time is null or to_time is null or from_time >= to_time
    or to_time > from_time + interval '9600 hours' then
    raise exception 'a backtest goes from one time to a later one, at most 400 days'
      using errcode = 'NTE01';
  end if;
  perform changed_policy(p, check_backtest.policy)
  from policy p
  where check_backtest.policy is not null and p.target_id = wanted_target and p.rule_name is null
    and (p.org_id is null or p.org_id = check_backtest.org_id)
    and p.validity && tstzrange(from_time, to_time);
  if check_backtest.org_id is not null then
    perform notice_unknown_names(check_backtest.org_id, null, null, null, null);
  end if;
  if not exists (
    select from occurrence o
    where o.known_from < to_time and coalesce(o.known_until > from_time, true))
  then
    raise notice 'no issue of that time is known: nothing can be replayed'
      using hint = 'Retention has deleted it, or nothing was reported (view partitions, table retention).';
  end if;
end $$;

comment on function ccx.check_backtest(text, timestamptz, timestamptz, jsonb, bigint) is
  'Refuses a backtest whose target, times, policy or organization make no sense (NTE01 and what '
  'changed_policy() refuses), and gives notice where nothing can be replayed.';
