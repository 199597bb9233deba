-- The details are those of the report that last had the issue, as a message about it would take them.
create or replace function ccx.issue_draft(target text, cluster text, issue_id bigint, at timestamptz)
returns table (
  target text, decision text, reasons text[], rule text, org_id bigint, cluster text, resolved boolean,
  seen_at timestamptz, report_is_kept boolean, issue jsonb)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select e.target, e.decision, e.reasons, e.component || '|' || e.error_key, e.org_id, e.cluster,
    e.issue_state = 'resolved', coalesce(r.updated_at, e.last_seen), r.updated_at is not null,
    case when rc.id is not null then jsonb_build_object(
      'issue_id', e.issue_id::text,
      'component', e.component,
      'error_key', e.error_key,
      'total_risk', rc.total_risk,
      'severity', coalesce(s.name, ''),
      'content_id', rc.id::text,
      'details', coalesce(d.by_hit #> array[e.component, e.error_key],
        details_before_rename(d.by_hit, e.component, e.error_key))) end
  from explain_at(issue_draft.at, issue_draft.target, cluster => issue_draft.cluster) e
  left join rule_content rc on rc.id = e.content_id
  left join severity s on s.target_id = target_id(e.target) and s.total_risk = rc.total_risk
  left join lateral (
    select n.updated_at, n.report
    from new_reports n
    where n.org_id = e.org_id and n.cluster = e.cluster and n.updated_at <= e.last_seen
    order by n.updated_at desc
    limit 1) r on true
  left join lateral details_by_hit(r.report) d on true
  where e.issue_id = issue_draft.issue_id
$$;

comment on function ccx.issue_draft(text, text, bigint, timestamptz) is
  'An issue as a message to this target would name it at this time, whether or not it would be sent: the '
  'version of the content and the details that its texts are made from; a null issue: nothing is known '
  'about the rule.';
