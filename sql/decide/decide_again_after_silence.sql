create or replace function decide_again_after_silence(silence silence, at timestamptz) returns integer
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  asked integer;
begin
  insert into decision_due (org_id, cluster)
  select distinct m.org_id, m.cluster
  from silence_hits(silence, decide_again_after_silence.at) m
  join latest_report l on l.org_id = m.org_id and l.cluster = m.cluster
  where l.updated_at > decide_again_after_silence.at - interval '1 day'
  order by m.org_id, m.cluster
  on conflict (org_id, cluster) do update set due_at = decision_due.due_at;
  get diagnostics asked = row_count;
  if asked > 0 then
    perform wake_decide();
  end if;
  return asked;
end $$;

comment on function decide_again_after_silence(silence, timestamptz) is
  'Puts the clusters with issues that this silence held, and that reported within a day, up for a new decision; returns how many.';
