-- What waits for its next try is in `reported` as an error until then, as the incumbent has it; when it gets
-- through, record_reported() makes it `sent`.
create or replace function ccx.end_pass(target text, out failed integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  insert into reported as r
    (org_id, account_number, cluster, notification_type, state, report, updated_at, notified_at, error_log,
      event_type_id)
  select n.org_id, max(n.account_number), n.cluster, 1, 4, coalesce(max(s.report), ''), n.updated_at,
    n.decided_at, string_agg(distinct n.last_error, '; '), n.target_id
  from notification n
  left join new_reports s on s.org_id = n.org_id and s.cluster = n.cluster and s.updated_at = n.updated_at
  where n.target_id = target_id(end_pass.target) and n.state = 'pending' and n.last_error is not null
    and n.replay_of is null
  group by n.org_id, n.cluster, n.updated_at, n.decided_at, n.target_id
  on conflict (org_id, cluster, notified_at, event_type_id) do update
  set error_log = excluded.error_log
  where r.state = 4;
  select count(distinct (n.org_id, n.cluster)) into failed
  from notification n
  where n.target_id = target_id(end_pass.target) and n.state = 'pending';
end $$;

comment on function ccx.end_pass(text) is
  'Writes what could not be delivered into reported, as an error; returns of how many clusters something '
  'waits.';
