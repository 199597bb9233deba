-- A decision that waited for its receiver may have lost its reasons: the issue is gone or back, or somebody
-- silenced it, acknowledged it or changed the policy. decide() is asked once more, as if these messages had
-- never been decided: their own rows of the ledger do not count while it answers. What it would not notify
-- now leaves its message and does not count as notified; a message of which nothing is left is withdrawn. A
-- resolution goes with the problem of which nobody was notified, since decide() gives none then.
--
-- Only for what certainly has not gone out: a repetition has to be what went out first.
--
-- `spacing` does not count: it is for the next message, and those of one decision would hold each other.
create or replace function ccx.decide_again(notification_ids bigint[], at timestamptz) returns bigint[]
language plpgsql volatile
set search_path = public, ccx, pg_temp
set random_page_cost = 1.1
set join_collapse_limit = 1
set max_parallel_workers_per_gather = 0
as $$
declare
  messages bigint[];
  issues bigint[];
  clusters text[];
  target integer;
  withdrawn bigint[];
begin
  -- live: by the clock of now, as settle_notifications() has it
  if at = now() then
    at := clock_timestamp();
  end if;

  select array_agg(i.notification_id), array_agg(i.issue_id), array_agg(distinct n.cluster), min(n.target_id)
  into messages, issues, clusters, target
  from notification n
  join notified_issue i on i.notification_id = n.id
  where n.id = any (notification_ids) and i.live;
  perform void_notified(messages, issues, at);

  -- `execute`, so that it is planned for these clusters (decide_due())
  execute $query$
    update notified_issue i
    set left_out = true, left_out_reasons = answer.reasons
    from (
      select own.notification_id, own.issue_id,
        coalesce(array_remove(d.reasons, 'spacing'), array[case
          when not own.resolved then 'gone'
          when issue.closed_at is null then 'back'
          else 'not_notified' end]) as reasons
      from unnest($1, $2) e (notification_id, issue_id)
      join notified_issue own on own.notification_id = e.notification_id and own.issue_id = e.issue_id
      join issue on issue.id = own.issue_id
      left join decide($3, $4, $5) d on d.issue_id = own.issue_id
        and (d.issue_state = 'resolved') = own.resolved
    ) answer
    where i.notification_id = answer.notification_id and i.issue_id = answer.issue_id
      and answer.reasons <> '{}'
  $query$ using messages, issues, target, at, clusters;

  perform unvoid_notified(messages, issues, at);

  with ended as (
    update notification n
    set state = 'withdrawn', ended_at = at, leased_until = null, first_tried_at = null,
      attempts = n.attempts - 1,
      last_error = 'withdrawn: ' || (
        select string_agg(distinct reason, ', ')
        from notified_issue i
        cross join lateral unnest(i.left_out_reasons) reason
        where i.notification_id = n.id)
    where n.id = any (notification_ids)
      and not exists (select from notified_issue i where i.notification_id = n.id and not i.left_out)
    returning n.id
  )
  select coalesce(array_agg(e.id), '{}') into withdrawn from ended e;
  if withdrawn <> '{}' then
    perform record_reported(withdrawn);
    -- a probe of which nothing is left is none: the next one need not wait for its lease
    update circuit c
    set probe_until = null
    where c.target_id = target and c.probe_until is not null and c.probe_messages <@ withdrawn;
  end if;
  return withdrawn;
end $$;

comment on function ccx.decide_again(bigint[], timestamptz) is
  'Asks decide() once more about claimed messages of one target that waited and are certainly not out; what '
  'is not to be notified any more leaves them. Returns those that are withdrawn, since nothing is left.';
