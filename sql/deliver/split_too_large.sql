-- The limit is one of the whole, so that it must not keep its parts from the customer. The graver half stays
-- where it is; whatever is still too large is split again, when it is claimed next. With the rights of the
-- owner: an issue in the ledger gets another message, which no role of the service may do by itself.
create or replace function ccx.split_too_large(settled settled_notification[], at timestamptz) returns void
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  whole record;
  part bigint;
  was text;
begin
  for whole in
    select h.notification_id, array_agg(h.issue_id) as issue_ids
    from (
      select t.notification_id, t.issue_id,
        ntile(2) over (partition by t.notification_id order by rc.total_risk desc, t.issue_id) as half
      from unnest(settled) s
      join notified_issue t on t.notification_id = s.id and not t.left_out
      join rule_content rc on rc.id = t.content_id
      where s.too_large and s.state = 'pending'
    ) h
    where h.half = 2
    group by h.notification_id
    order by h.notification_id
  loop
    insert into notification (target_id, org_id, account_number, cluster, updated_at, decided_at, resolved,
      replay_of, next_attempt_at, redriven_at, traceparent)
    select n.target_id, n.org_id, n.account_number, n.cluster, n.updated_at, n.decided_at, n.resolved,
      n.replay_of, split_too_large.at, n.redriven_at, n.traceparent
    from notification n
    where n.id = whole.notification_id
    returning id into part;
    was := may_rewrite('on');
    update notified_issue t
    set notification_id = part
    where t.notification_id = whole.notification_id and t.issue_id = any (whole.issue_ids);
    perform may_rewrite(was);
  end loop;
end $$;
revoke execute on function ccx.split_too_large(settled_notification[], timestamptz) from public;

comment on function ccx.split_too_large(settled_notification[], timestamptz) is
  'Moves the second half of the issues of each message that is too large, and has several, to a message of '
  'its own, which is due at once.';
