-- Takes archives that are due; for the length of the lease nobody else gets them. What three processes in a
-- row took and ended without a word is given up: it may be what ends them.
--
-- Where no rule runs at all, nothing is taken: a result without hits would end every issue of its cluster.
create or replace function ccx.claim_analyses(
  batch_size integer,
  lease interval,
  has_python boolean,
  keep_per_hour integer default 0,
  at timestamptz default now()
) returns table (
  id bigint, attempt integer, url text, request_id text, keep boolean, rules_version text, traceparent text
)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  force record;
  room integer := 0;
begin
  select f.version, f.rules into force from rules_in_force() f;
  if force.rules = 0 and not claim_analyses.has_python then
    return;
  end if;
  if claim_analyses.keep_per_hour > 0 then
    room := claim_analyses.keep_per_hour - (
      select count(*)
      from kept_archive k
      where k.kept_at > claim_analyses.at - interval '1 hour');
  end if;
  return query
  with due as (
    select j.id, j.state, j.interruptions, row_number() over (order by j.next_attempt_at, j.id) as place
    from (
      select a.id, a.state, a.next_attempt_at,
        a.interruptions + (a.failure is not distinct from 'interrupted')::integer as interruptions
      from analysis a
      where a.state = 'waiting' and a.next_attempt_at <= claim_analyses.at
      order by a.next_attempt_at
      limit claim_analyses.batch_size
      for update skip locked
    ) j
  ), taken as (
    update analysis a
    set state = case when d.interruptions >= 3 then 'dead' else 'waiting' end,
      attempts = a.attempts + case when d.interruptions >= 3 then 0 else 1 end,
      interruptions = d.interruptions,
      next_attempt_at = case when d.interruptions < 3 then claim_analyses.at + claim_analyses.lease end,
      ended_at = case when d.interruptions >= 3 then claim_analyses.at end,
      started_at = claim_analyses.at,
      failure = 'interrupted',
      error = 'the process that had it ended without a word, or has it still'
    from due d
    where a.id = d.id
    returning a.id, a.attempts, a.url, a.request_id, a.traceparent, d.place, a.state
  )
  select t.id, t.attempts, t.url, t.request_id, t.place <= room, force.version, t.traceparent
  from taken t
  where t.state = 'waiting'
  order by t.place;
end $$;

comment on function ccx.claim_analyses(integer, interval, boolean, integer, timestamptz) is
  'Takes at most so many archives that are due, for the length of a lease, and says which of them to keep.';
