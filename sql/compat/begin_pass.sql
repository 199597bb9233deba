-- A pass is a new try: whoever starts it every few minutes has decided how often that is. So what failed
-- before is due at once, and a circuit is closed. What waits about a cluster of which new_reports has nothing
-- any more is withdrawn: nobody would send it either who knew only that table.
create or replace function ccx.begin_pass(target text, wanted jsonb, out policy_changed boolean,
  out waiting integer, out withdrawn integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  gone bigint[];
  gone_issues bigint[];
begin
  perform ensure_partitions();
  perform expire_notifications();
  policy_changed := keep_policy(begin_pass.target, wanted);
  perform close_circuit(begin_pass.target);

  with stopped as (
    update notification n
    set state = 'withdrawn', ended_at = now(), leased_until = null,
      last_error = 'withdrawn: the report is gone'
    where n.target_id = target_id(begin_pass.target) and n.state = 'pending' and n.replay_of is null
      and coalesce(n.leased_until <= now(), true)
      and not exists (select from new_reports r where r.org_id = n.org_id and r.cluster = n.cluster)
    returning n.id
  )
  select array_agg(i.notification_id), array_agg(i.issue_id), count(distinct s.id)
  into gone, gone_issues, withdrawn
  from stopped s
  left join notified_issue i on i.notification_id = s.id;
  if withdrawn > 0 then
    perform void_notified(gone, gone_issues, clock_timestamp());
  end if;

  update notification n
  set next_attempt_at = now()
  where n.target_id = target_id(begin_pass.target) and n.state = 'pending' and n.next_attempt_at > now()
    and coalesce(n.leased_until <= now(), true);
  select count(*) into waiting
  from notification n
  where n.target_id = target_id(begin_pass.target) and n.state = 'pending';
end $$;

comment on function ccx.begin_pass(text, jsonb) is
  'Brings the policy of a target in step with these settings, closes its circuit and makes what waits due; '
  'returns whether the policy changed, how many messages wait, and how many were withdrawn.';
