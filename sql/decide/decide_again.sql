-- After a change of content or policy: ask again for the clusters it may concern, as far as they still report.
-- A cluster that has been silent for longer is asked with its next report.
create or replace function decide_again(rule_names text[] default null, at timestamptz default now()) returns integer
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  asked integer;
begin
  insert into decision_due (org_id, cluster)
  select distinct i.org_id, i.cluster
  from issue i
  join rule r on r.id = i.rule_id
  join latest_report l on l.org_id = i.org_id and l.cluster = i.cluster
  where i.closed_at is null
    and (rule_names is null or r.rule_name = any (rule_names))
    and l.updated_at > decide_again.at - interval '1 day'
  order by i.org_id, i.cluster
  on conflict (org_id, cluster) do update set due_at = decision_due.due_at;
  get diagnostics asked = row_count;
  if asked > 0 then
    perform wake_decide();
  end if;
  return asked;
end $$;

comment on function decide_again(text[], timestamptz) is
  'Puts the clusters with open issues of these rules (null: of any rule) that reported within a day up for a new decision; returns how many.';
