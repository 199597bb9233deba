-- Whoever writes to the ledger: decide() finds the last notification by superseded_at.
create or replace function ccx.tg_notified_issue__superseded() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  if tg_level = 'ROW' then
    perform supersede_notified(array[new.issue_id], array[new.target_id]);
  else
    perform supersede_notified(array_agg(c.issue_id), array_agg(c.target_id)) from changed c
      where not c.resolved;
  end if;
  return null;
end $$;

comment on function ccx.tg_notified_issue__superseded() is
  'Trigger of notified_issue: keeps superseded_at, the time at which an issue was notified through the same '
  'target again.';
