-- A replay repeats, it does not notify anew: its rows of the ledger are void from the beginning of time, so
-- that no cooldown, no spacing and no decision sees them. What it repeats of a message that had been given up
-- counts as notified from now on, as if that message had been redriven.
create or replace function replay(
  started_at timestamptz, stopped_at timestamptz, target text default null, org_id bigint default null,
  cluster text default null, rule text default null, again boolean default false, at timestamptz default null
) returns table (target_name text, messages integer, issues integer, clusters integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  replayed bigint[];
  entries notified_issue[];
begin
  perform lock_replays();
  at := coalesce(at, clock_timestamp());

  with original as materialized (
    select nextval(pg_get_serial_sequence('notification', 'id')) as id, p.notification_id, p.issue_ids
    from preview_replay(started_at, stopped_at, target, org_id, cluster, rule, again, at) p
  ), repeated as (
    insert into notification
      (id, target_id, org_id, account_number, cluster, updated_at, decided_at, next_attempt_at, resolved,
        replay_of, traceparent)
    select o.id, n.target_id, n.org_id, n.account_number, n.cluster, n.updated_at, at, at, n.resolved, n.id,
      n.traceparent
    from original o
    join notification n on n.id = o.notification_id
  )
  select array_agg(o.id), array_agg(o.entries) into replayed, entries
  from (
    select o.id, (o.id, i.issue_id, i.content_id, i.policy_id, at, '-infinity', i.target_id, i.occurrence,
      i.resolved, null, false, tstzrange(at, at, '[]'), '{(,)}', null)::notified_issue as entries
    from original o
    join notified_issue i on i.notification_id = o.notification_id and i.issue_id = any (o.issue_ids)
  ) o;

  perform enter_notified(entries);
  perform unvoid_notified(array_agg(n.replay_of), array_agg(e.issue_id), at)
  from unnest(entries) e
  join notification n on n.id = e.notification_id
  join notification original on original.id = n.replay_of and original.state = 'dead';

  return query
  select t.name, count(distinct n.id)::integer, count(*)::integer,
    count(distinct (n.org_id, n.cluster))::integer
  from notification n
  join event_targets t on t.id = n.target_id
  join notified_issue i on i.notification_id = n.id
  where n.id = any (replayed)
  group by t.id
  order by t.id;

  perform wake_delivery(t.name)
  from event_targets t
  where t.id in (select n.target_id from notification n where n.id = any (replayed));
exception
  when exclusion_violation or unique_violation or deadlock_detected then
    raise exception 'an issue was notified while it was to be replayed; nothing was replayed, try again'
      using errcode = 'NTD01';
end $$;

comment on function replay(timestamptz, timestamptz, text, bigint, text, text, boolean, timestamptz) is
  'Sends again what ended (sent or given up) in this stretch of time, under new ids '
  '(notification.replay_of); see preview_replay(). again: also what was replayed already. Returns how much '
  'goes to each target.';
