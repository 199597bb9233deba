-- Who takes over from the service before us, or runs beside it, has what it sent in `reported` only: one row
-- for each report that it notified of, with the text of the report. Those rows become messages that were sent
-- and rows of the ledger, so that their issues are in their cooldown.
--
-- A hit counts as notified if it qualifies by policy and content of now: what is below the threshold was not
-- notified then, either. That a policy of ours is switched off does not matter: the other one sent it. The
-- oldest row that has it counts, since in the later ones it was in its cooldown. Of what has no content yet
-- nobody knows whether it qualified: its row stays in reported_elsewhere.
--
-- With the rights of the owner: it notes issues that were there before, as only the trigger of new_reports
-- does otherwise, and takes empty messages back.
create or replace function import_reported(
  at timestamptz default now(), only_clusters text[] default null
)
  returns table (notifications integer, issues integer)
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  rows_to_import reported[];
  past_hits seen_hit[];
  entries notified_issue[];
  was text;
begin
  -- of two at once the second finds what the first has imported
  perform pg_advisory_xact_lock(hashtext('ccx.import_reported'));

  if only_clusters is null then
    rows_to_import := array(
      select r
      from reported r
      where r.state = 1 and r.notified_at > import_reported.at - longest_cooldown()
        and r.notified_at <= import_reported.at);
  else
    rows_to_import := array(
      select r
      from reported_elsewhere e
      join reported r on r.org_id = e.org_id and r.cluster = e.cluster and r.notified_at = e.notified_at
        and r.event_type_id = e.target_id
      where lower(e.cluster) = any (only_clusters)
        and r.state = 1 and r.notified_at > import_reported.at - longest_cooldown()
        and r.notified_at <= import_reported.at);
  end if;
  rows_to_import := array(
    -- new_reports has clusters in lower case
    select (r.org_id, r.account_number, lower(r.cluster), r.notification_type, r.state, r.report,
      r.updated_at, r.notified_at, r.error_log, r.event_type_id)::reported
    from unnest(rows_to_import) r
    where pg_input_is_valid(r.report, 'jsonb')
      and not exists (
        select from notification n
        where n.cluster = lower(r.cluster) and n.org_id = r.org_id and n.decided_at = r.notified_at
          and n.target_id = r.event_type_id and n.result is distinct from '{"imported": true}'));

  -- clusters of which nothing else is known: their report arrives now, as any other
  insert into new_reports (org_id, account_number, cluster, report, updated_at, received_at)
  select distinct on (r.org_id, r.cluster)
    r.org_id, r.account_number, r.cluster, r.report, r.updated_at, r.notified_at
  from unnest(rows_to_import) r
  where not exists (select from latest_report l where l.org_id = r.org_id and l.cluster = r.cluster)
  order by r.org_id, r.cluster, r.updated_at desc
  on conflict do nothing;

  select array_agg((1, r.org_id, r.cluster, r.updated_at, r.notified_at, r.account_number, h.component,
    h.error_key)::seen_hit)
  into past_hits
  from unnest(rows_to_import) r
  cross join lateral report_hits(r.report::jsonb) h;
  perform note_past_issues(past_hits);

  with hit as materialized (
    select r.org_id, r.cluster, r.event_type_id, r.notified_at, r.updated_at, h.component, h.error_key
    from unnest(rows_to_import) r
    cross join lateral report_hits(r.report::jsonb) h
  ), qualifying as materialized (
    select v.*
    from verdict(null, import_reported.at, array(select distinct r.cluster from unnest(rows_to_import) r)) v
    where v.reasons <@ '{target_disabled,policy_disabled}'
  ), known as materialized (
    select n.id, n.target_id, n.org_id, n.cluster, n.decided_at
    from unnest(rows_to_import) r
    join notification n on n.cluster = r.cluster and n.org_id = r.org_id and n.decided_at = r.notified_at
      and n.target_id = r.event_type_id
  ), added as (
    insert into notification (target_id, org_id, account_number, cluster, updated_at, decided_at, state,
      attempts, first_tried_at, next_attempt_at, ended_at, result)
    select r.event_type_id, r.org_id, r.account_number, r.cluster, r.updated_at, r.notified_at, 'sent',
      1, r.notified_at, r.notified_at, r.notified_at, '{"imported": true}'
    from unnest(rows_to_import) r
    where (r.event_type_id, r.org_id, r.cluster, r.notified_at) not in (
      select k.target_id, k.org_id, k.cluster, k.decided_at from known k)
    order by r.notified_at
    returning id, target_id, org_id, cluster, decided_at
  ), message as (
    select * from known
    union all
    select * from added
  )
  select array_agg((m.id, q.issue_id, q.content_id, (q.policy).id, h.notified_at, 'infinity', m.target_id,
    coalesce((
      select max(o.occurrence) from occurrence o
      where o.issue_id = q.issue_id and o.opened_at <= h.updated_at), 1),
    false, null, false, cooldown_period(h.notified_at, (q.policy).cooldown), '{}', null)::notified_issue)
  into entries
  from hit h
  join message m on m.target_id = h.event_type_id and m.org_id = h.org_id and m.cluster = h.cluster
    and m.decided_at = h.notified_at
  join qualifying q on q.target_id = h.event_type_id and q.org_id = h.org_id and q.cluster = h.cluster
    and q.component = h.component and q.error_key = h.error_key;

  select count(distinct e.notification_id), count(*) into notifications, issues
  from enter_notified(entries) e;
  -- what says nothing is no message
  was := may_rewrite('on');
  delete from notification n
  where n.result = '{"imported": true}'
    and (n.cluster, n.org_id, n.decided_at, n.target_id) in (
      select r.cluster, r.org_id, r.notified_at, r.event_type_id from unnest(rows_to_import) r)
    and not exists (select from notified_issue i where i.notification_id = n.id);
  perform may_rewrite(was);

  delete from reported_elsewhere e
  where (only_clusters is null or lower(e.cluster) = any (only_clusters))
    and e.notified_at <= import_reported.at
    and not exists (
      select
      from reported r
      cross join lateral report_hits(readable_report(r.report)) h
      where r.org_id = e.org_id and r.cluster = e.cluster and r.notified_at = e.notified_at
        and r.event_type_id = e.target_id
        and not exists (
          select from rule_content c
          where c.rule_name = rule_name(h.component) and c.error_key = h.error_key
            and in_force(c.validity, import_reported.at)));
  return next;
end $$;
revoke execute on function import_reported(timestamptz, text[]) from public;

comment on function import_reported(timestamptz, text[]) is
  'Makes what another service notified (rows of reported, state sent, within the longest cooldown) count as '
  'notified; returns how many messages and issues. With only_clusters: what waits in reported_elsewhere. '
  'Again does no harm.';
