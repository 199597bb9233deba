-- A query that claim_notifications() takes in, so that its plan covers all messages of a claim.
create or replace function ccx.message_body(n notification) returns table (issues jsonb)
language sql stable parallel safe
begin atomic
  select jsonb_agg(
    jsonb_build_object(
      'issue_id', i.id::text,
      'component', rule.component,
      'error_key', rule.error_key,
      'total_risk', rc.total_risk,
      'severity', s.name,
      'content_id', rc.id::text,
      'details', coalesce(there.details, gone.details))
    order by rc.total_risk desc, i.id)
  from (
    -- each report is read once, however many issues it names
    select readable_report((
      select r.report from new_reports r where r.org_id = n.org_id and r.cluster = n.cluster
        and r.updated_at = n.updated_at
    )) as report
    offset 0
  ) current
  cross join notified_issue t
  join issue i on i.id = t.issue_id
  join rule on rule.id = i.rule_id
  join rule_content rc on rc.id = t.content_id
  left join severity s on s.target_id = t.target_id and s.total_risk = rc.total_risk
  left join hit_details(current.report) there
    on there.component = rule.component and there.error_key = rule.error_key and not n.resolved
  left join lateral (
    -- the last report that still had it; one that came late, or was replaced, may lie between that and the
    -- one without it
    select h.details
    from occurrence o
    join new_reports before
      on before.org_id = n.org_id and before.cluster = n.cluster
      and before.updated_at >= o.opened_at and before.updated_at < o.closed_at
    cross join lateral hit_details(readable_report(before.report)) h
    where n.resolved and o.issue_id = t.issue_id and o.occurrence = t.occurrence
      and h.component = rule.component and h.error_key = rule.error_key
    order by before.updated_at desc
    limit 1
  ) gone on true
  where t.notification_id = n.id and not t.left_out;
end;

comment on function ccx.message_body(notification) is
  'The issues that a message names, with the details of their hits and what its target calls their severity.';
