-- One row for each decision and target, however many messages it took: sent as soon as one got through, error
-- while none did, same when all was withdrawn. error_log names what failed or was withdrawn. A replay is no
-- decision: it counts for the message that it repeats.
--
-- By index, whatever the planner expects: it read all of notification for 500 messages (43 ms instead of 12
-- where 50,000 had been sent before, and growing with them).
create or replace function ccx.record_reported(notification_ids bigint[]) returns void
language sql volatile
set search_path = public, ccx, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
  -- these rows are ours (tg_reported__elsewhere)
  select set_config('ccx.recording', 'on', true);
  insert into reported
    (org_id, account_number, cluster, notification_type, state, report, updated_at, notified_at, error_log,
      event_type_id)
  select n.org_id, max(n.account_number), n.cluster, 1,
    case when bool_or(n.state = 'sent' or exists (
      select from notification again where again.replay_of = n.id and again.state = 'sent'))
        then 1 when bool_or(n.state = 'dead') then 4 else 2 end,
    coalesce(max(r.report) filter (where n.state <> 'withdrawn'), ''), n.updated_at, n.decided_at,
    coalesce(string_agg(distinct n.last_error, '; ') filter (where n.state in ('dead', 'withdrawn')), ''),
      n.target_id
  from (
    select distinct e.org_id, e.cluster, e.decided_at, e.target_id
    from notification ended
    join notification e on e.id = coalesce(ended.replay_of, ended.id)
    where ended.id = any (notification_ids)
  ) decision
  join notification n using (org_id, cluster, decided_at, target_id)
  left join new_reports r
    on r.org_id = n.org_id and r.cluster = n.cluster and r.updated_at = n.updated_at
  where n.state <> 'pending' and n.replay_of is null and not is_shadow()
  group by n.org_id, n.cluster, n.updated_at, n.decided_at, n.target_id
  order by n.org_id, n.cluster, n.decided_at, n.target_id
  on conflict (org_id, cluster, notified_at, event_type_id) do update
  set state = excluded.state, report = excluded.report, error_log = excluded.error_log;
  select set_config('ccx.recording', '', true);
$$;

comment on function ccx.record_reported(bigint[]) is
  'Writes or renews the rows of reported for the decisions that these notifications (all ended) belong to.';
