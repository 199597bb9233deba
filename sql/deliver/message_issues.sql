-- What a receiver got can be made again: the ledger names the version of the content, which never changes,
-- and the report is kept as long as its day is.
create or replace function message_issues(notification_id bigint) returns table (
  target text, state text, ended_at timestamptz, resolved boolean, report_is_kept boolean, issues jsonb,
  message_id uuid, org_id bigint, account_number bigint, cluster text, updated_at timestamptz,
  decided_at timestamptz, first_tried_at timestamptz
)
language sql stable
begin atomic
  select e.name, (m.n).state, (m.n).ended_at, (m.n).resolved,
    exists (
      select from new_reports r
      where r.org_id = (m.n).org_id and r.cluster = (m.n).cluster and r.updated_at = (m.n).updated_at),
    body.issues, (m.n).message_id, (m.n).org_id, (m.n).account_number, (m.n).cluster, (m.n).updated_at,
    (m.n).decided_at, (m.n).first_tried_at
  from (
    select n,
      case when n.resolved then details_when_gone(array[n])
        else (
          select d.by_hit
          from new_reports r
          cross join lateral details_by_hit(r.report) d
          where r.org_id = n.org_id and r.cluster = n.cluster and r.updated_at = n.updated_at)
        end as details
    from notification n
    where n.id = message_issues.notification_id
    offset 0
  ) m
  cross join lateral message_body(m.n, m.details) body
  join event_targets e on e.id = (m.n).target_id;
end;

comment on function message_issues(bigint) is
  'The issues in this message, in their order, each with the version of the content and the details '
  'of the hit that its texts are made from. `ccx delivery show` makes them.';
