-- What retention deletes row by row, in one place, so that retain() and preview_retention() cannot differ: a
-- query of ctid, in the order of deletion; $1 is the clock, $2 the horizon of the table.
--
-- The memory of decisions is guarded: the horizon of notification, occurrence and render_failure lies behind
-- the longest cooldown, so that explain_at() answers for every moment that is kept. A notification stays
-- while it is the newest about an issue that is open, since that is when the issue was last notified; while a
-- replay refers to it; and while the ledger has an older one of the same issue, whose successor it is
-- (drift). Of occurrences only earlier ones go.
create or replace function ccx.past_rows(name text) returns text
language sql immutable parallel safe
return case name
  when 'new_reports_default' then $query$
    select r.ctid from new_reports_default r
    where r.updated_at < $2
      and not exists (select from decision_due w where w.cluster = r.cluster and w.org_id = r.org_id)
      and not exists (
        select from notification n
        where n.cluster = r.cluster and n.org_id = r.org_id
          and (n.state = 'pending' or n.state = 'dead' and n.ended_at > $1 - redrive_horizon()))
    order by r.updated_at$query$
  when 'reported_default' then $query$
    select r.ctid from reported_default r
    where r.notified_at < $2
      and not exists (select from decision_due w where w.cluster = r.cluster and w.org_id = r.org_id)
      and not exists (
        select from notification n
        where n.cluster = r.cluster and n.org_id = r.org_id
          and (n.state = 'pending' or n.state = 'dead' and n.ended_at > $1 - redrive_horizon()))
    order by r.notified_at$query$
  -- with all that belongs to them (retire_clusters)
  when 'latest_report' then $query$
    select l.ctid from latest_report l
    where l.updated_at < $2 and l.received_at < $2 and $1 is not null
      and not exists (select from decision_due w where w.cluster = l.cluster and w.org_id = l.org_id)
      and not exists (
        select from notification n
        where n.cluster = l.cluster and n.org_id = l.org_id
          and (n.state = 'pending' or n.state = 'dead' and n.ended_at > $1 - redrive_horizon()))
    order by l.updated_at$query$
  when 'rejected_message' then $query$
    select r.ctid from rejected_message r
    where r.received_at < $2 and $1 is not null
    order by r.received_at$query$
  when 'workload_report' then $query$
    select w.ctid from workload_report w
    where w.updated_at < $2 and w.received_at < $2 and $1 is not null
    order by w.updated_at$query$
  when 'read_errors' then $query$
    select r.ctid from read_errors r
    where r.created_at < $2 and $1 is not null
    order by r.error_id$query$
  when 'notification' then $query$
    select n.ctid from notification n
    where n.state <> 'pending' and n.ended_at < $2 and n.decided_at < $2
      and (n.state = 'sent' or n.ended_at <= $1 - redrive_horizon())
      and not exists (select from notification r where r.replay_of = n.id)
      and not exists (
        select from notified_issue i
        join issue on issue.id = i.issue_id
        where i.notification_id = n.id
          and (i.superseded_at > $2 and (issue.closed_at is null or issue.closed_at >= $2)
            or exists (
              select from notified_issue o
              where o.issue_id = i.issue_id and o.target_id = i.target_id and o.notified_at < i.notified_at
                and o.notification_id <> i.notification_id)))
    order by n.id$query$
  when 'occurrence' then $query$
    select o.ctid from occurrence o
    join issue i on i.id = o.issue_id
    where o.known_until < $2 and o.occurrence < i.occurrence and $1 is not null
    order by o.known_until, o.occurrence$query$
  when 'render_failure' then $query$
    select f.ctid from render_failure f
    where upper(f.held_period) < $2 and $1 is not null
    order by f.failed_at$query$
  when 'worker' then $query$
    select w.ctid from worker w where w.seen_at < $2 and $1 is not null order by w.seen_at$query$
  when 'archive' then $query$
    select a.ctid from archive a
    where a.stored_at < $2 and a.removed_at is not null and $1 is not null
    order by a.stored_at$query$
  when 'upload_message' then $query$
    select m.ctid from upload_message m
    where m.noted_at < $2 and m.archive_id is null and m.due_at is null and $1 is not null
    order by m.noted_at$query$
  when 'analysis' then $query$
    select a.ctid from analysis a
    where a.state in ('published', 'dead') and a.received_at < $2 and $1 is not null
    order by a.received_at$query$
  when 'kept_archive' then $query$
    select k.ctid from kept_archive k where k.kept_at < $2 and $1 is not null order by k.kept_at$query$
end;

comment on function ccx.past_rows(text) is
  'The query of the rows of a table that retention deletes one by one; $1 is the clock, $2 the horizon; null '
  'for a table of which no rows are deleted.';
