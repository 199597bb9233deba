-- A query that claim_notifications() takes in, so that its plan covers all messages of a claim.
create or replace function ccx.message_body(n notification, details jsonb) returns table (issues jsonb)
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
      'hold_doubtful', p.doubtful_texts = 'hold',
      'details', case when n.resolved then details -> concat_ws('/', t.issue_id, t.occurrence)
        else coalesce(details #> array[rule.component, rule.error_key],
          details_before_rename(details, rule.component, rule.error_key)) end)
    order by rc.total_risk desc, i.id)
  from notified_issue t
  join issue i on i.id = t.issue_id
  join rule on rule.id = i.rule_id
  join rule_content rc on rc.id = t.content_id
  left join policy p on p.id = t.policy_id
  left join severity s on s.target_id = n.target_id and s.total_risk = rc.total_risk
  where t.notification_id = n.id and not t.left_out;
end;

comment on function ccx.message_body(notification, jsonb) is
  'The issues that a message names, with what its target calls their severity and the details of their hits '
  '(from details_by_hit() or, of resolved ones, details_when_gone()).';
