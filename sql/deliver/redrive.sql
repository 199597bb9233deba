-- Back into the outbox under the same id, the newest first: of several that name the same issue only one may
-- count as notified. An issue that was notified by another message meanwhile, or is about to be, is left out.
--
-- The clock is read when we have the rows: whoever decided while we waited for them did not know that they
-- count as notified again.
create or replace function redrive(notification_ids bigint[], at timestamptz default null)
returns table (notification_id bigint, target text, issues integer, left_out integer, refusal text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  n notification;
begin
  if notification_ids is null then
    raise exception 'a redrive names its messages, as in dead_letter' using errcode = 'NTD03';
  end if;
  perform lock_replays();
  perform from notification d where d.id = any (notification_ids) order by d.id for update;
  at := coalesce(at, clock_timestamp());
  for n in
    select d.*
    from notification d
    where d.id = any (notification_ids)
    order by d.decided_at desc, d.id desc
  loop
    notification_id := n.id;
    target := (select t.name from event_targets t where t.id = n.target_id);
    issues := 0;
    left_out := 0;
    refusal := redrive_refusal(n, at);
    if refusal is null then
      begin
        left_out := leave_out_notified(n.id);
        select unvoid_notified(array_agg(i.notification_id), array_agg(i.issue_id), at) into issues
        from notified_issue i
        where i.notification_id = n.id;
        update notification d
        set state = 'pending', ended_at = null, next_attempt_at = at, redriven_at = at,
          attempts_before = d.attempts
        where d.id = n.id;
      exception
        -- a decision that committed while we waited for it, or waits for us, too
        when exclusion_violation or unique_violation or deadlock_detected then
          issues := 0;
          left_out := 0;
          refusal := 'its issues are being notified at this moment';
      end;
    end if;
    return next;
  end loop;

  for notification_id in
    select distinct asked.id from unnest(notification_ids) asked (id)
    where asked.id is not null and not exists (select from notification d where d.id = asked.id)
    order by asked.id
  loop
    target := null;
    issues := 0;
    left_out := 0;
    refusal := 'there is no message of that number';
    return next;
  end loop;

  perform wake_delivery(t.name)
  from event_targets t
  where t.id in (
    select d.target_id from notification d where d.id = any (notification_ids) and d.state = 'pending'
      and d.redriven_at = at);
end $$;

comment on function redrive(bigint[], timestamptz) is
  'Puts messages that were given up (dead_letter) back into the outbox under the same id; their issues '
  'count as notified again. Returns a row for each: how many issues it names and leaves out, or why it was '
  'refused.';
