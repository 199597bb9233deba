-- Whoever writes to the ledger: decide() finds the last telling by superseded_at.
create or replace function tg_notified_issue__superseded() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  if tg_level = 'ROW' then
    perform supersede_tellings(array[new.issue_id], array[new.target_id]);
  else
    perform supersede_tellings(array_agg(c.issue_id), array_agg(c.target_id)) from changed c where not c.resolved;
  end if;
  return null;
end $$;

comment on function tg_notified_issue__superseded() is
  'Trigger of notified_issue: keeps superseded_at, the time at which an issue was told to the same target again.';
