-- As see_reports(), for what was sent. Cooldowns begin with the next decision about the cluster that knows
-- the content of its rules (import_reported()).
create or replace function ccx.see_reported() returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  seen integer;
begin
  insert into reported_elsewhere (org_id, cluster, notified_at, target_id)
  select r.org_id, r.cluster, r.notified_at, r.event_type_id
  from reported r
  where r.state = 1
    and not exists (
      select from notification n
      where n.cluster = lower(r.cluster) and n.org_id = r.org_id and n.decided_at = r.notified_at
        and n.target_id = r.event_type_id)
  on conflict do nothing;
  get diagnostics seen = row_count;
  return seen;
end $$;

comment on function ccx.see_reported() is
  'Notes what others sent before our triggers were there in reported_elsewhere; returns how many rows.';
