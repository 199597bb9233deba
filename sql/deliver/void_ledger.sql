-- A replay is not in the ledger. Where it repeats a message that had been given up, that one's issues count
-- as notified from the replay on (replay()), and not any more when the replay is given up, too, unless
-- another replay got through or may yet. First what was not notified, so that what was may take its place.
create or replace function ccx.void_ledger(settled settled_notification[], at timestamptz) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  perform void_notified(array_agg(v.notification_id), array_agg(v.issue_id), at)
  from (
    select i.notification_id, i.issue_id
    from unnest(settled) s
    join notified_issue i on i.notification_id = s.id
    where i.live and (s.state = 'dead' or i.issue_id in (select u.issue_id from unrendered_issues(s) u))
    union all
    select i.notification_id, i.issue_id
    from unnest(settled) s
    join notification original on original.id = s.replay_of and original.state = 'dead'
    join notified_issue again on again.notification_id = s.id
    join notified_issue i on i.notification_id = original.id and i.issue_id = again.issue_id
    where i.live
      and (s.state = 'dead' or i.issue_id in (select u.issue_id from unrendered_issues(s) u))
      and not exists (
        select from notification other
        join notified_issue said on said.notification_id = other.id and said.issue_id = i.issue_id
        where other.replay_of = original.id and other.id <> s.id and other.state <> 'dead')
  ) v
  having count(*) > 0;

  -- given up by one worker, got through by another, or by a replay; it may have been notified again in
  -- between
  perform unvoid_notified(array_agg(i.notification_id), array_agg(i.issue_id), at)
  from unnest(settled) s
  left join notification original on original.id = s.replay_of
  join notified_issue i on i.notification_id = coalesce(s.replay_of, s.id)
  where s.state = 'sent' and not i.live and not i.left_out
    and coalesce(original.state = 'dead', true)
    and (s.replay_of is null or exists (
      select from notified_issue said where said.notification_id = s.id and said.issue_id = i.issue_id))
    and i.issue_id not in (select u.issue_id from unrendered_issues(s) u)
    and not notified_elsewhere(i)
  having count(*) > 0;
end $$;

comment on function ccx.void_ledger(settled_notification[], timestamptz) is
  'Takes out of the ledger what did not reach its receiver, given up or not rendered, and brings back what '
  'did after all.';
