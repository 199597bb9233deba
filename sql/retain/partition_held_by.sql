-- Who still has to read a report of that day: a decision (it copies the report's account and time), a
-- delivery (details of the hits, and the text for reported). A message about issues that went reads the last
-- report that had them, which may be older than the one it is about. `reported` is only written, and read by
-- people.
create or replace function ccx.partition_held_by(parent text, day date, at timestamptz default now())
  returns text
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with bounds as (
    select day::timestamp at time zone 'UTC' as begins, (day + 1)::timestamp at time zone 'UTC' as ends
  )
  select case
    when parent <> 'new_reports' then null
    when exists (
      select
      from decision_due d
      join latest_report l on l.cluster = d.cluster and l.org_id = d.org_id
      where l.updated_at >= b.begins and l.updated_at < b.ends)
      then 'a decision is due on one of its reports'
    when exists (
      select
      from notification n
      where n.state = 'pending' and n.updated_at >= b.begins and n.updated_at < b.ends)
      then 'a message about one of its reports has not been sent'
    when exists (
      select
      from notification n
      join notified_issue i on i.notification_id = n.id
      join occurrence o on o.issue_id = i.issue_id and o.occurrence = i.occurrence
      where n.state = 'pending' and n.resolved and o.opened_at < b.ends and o.closed_at > b.begins)
      then 'a message about an issue that went has not been sent'
    when exists (
      select
      from notification n
      where n.state = 'dead' and n.ended_at > at - redrive_horizon() and n.updated_at >= b.begins
        and n.updated_at < b.ends)
      then 'a message about one of its reports may still be redriven'
  end
  from bounds b;
$$;

comment on function ccx.partition_held_by(text, date, timestamptz) is
  'Why a day of new_reports or reported must not be dropped yet; null: nothing holds it.';
