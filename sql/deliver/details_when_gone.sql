-- The last report that still had the issue: one that came late, or was replaced, may lie between that and the
-- one without it. So the reports are read backwards, each once, until every issue has been found.
create or replace function ccx.details_when_gone(messages notification[]) returns jsonb
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
declare
  before record;
  hits jsonb;
  found_now jsonb;
  wanted jsonb;
  found_by_issue jsonb := '{}';
begin
  wanted := (
    select jsonb_object_agg(concat_ws('/', t.issue_id, t.occurrence),
      jsonb_build_array(r.component, r.error_key, o.opened_at, o.closed_at))
    from unnest(messages) m
    join notified_issue t on t.notification_id = m.id and not t.left_out
    join occurrence o on o.issue_id = t.issue_id and o.occurrence = t.occurrence
    join issue i on i.id = t.issue_id
    join rule r on r.id = i.rule_id
    where o.closed_at is not null);
  for before in
    select r.report, r.updated_at
    from new_reports r
    where r.org_id = messages[1].org_id and r.cluster = messages[1].cluster
      and r.updated_at >= (select min((w.value ->> 2)::timestamptz) from jsonb_each(wanted) w)
      and r.updated_at < (select max((w.value ->> 3)::timestamptz) from jsonb_each(wanted) w)
    order by r.updated_at desc
  loop
    hits := (select d.by_hit from details_by_hit(before.report) d);
    found_now := (
      select jsonb_object_agg(w.key, hit.details)
      from jsonb_each(wanted) w
      cross join lateral (
        select coalesce(hits #> array[w.value ->> 0, w.value ->> 1],
          details_before_rename(hits, w.value ->> 0, w.value ->> 1)) as details) hit
      where before.updated_at >= (w.value ->> 2)::timestamptz
        and before.updated_at < (w.value ->> 3)::timestamptz
        and hit.details is not null);
    if found_now is not null then
      found_by_issue := found_by_issue || found_now;
      wanted := wanted - array(select jsonb_object_keys(found_now));
    end if;
    exit when wanted = '{}';
  end loop;
  return found_by_issue;
end $$;

comment on function ccx.details_when_gone(notification[]) is
  'The details of the issues that these messages, all about one cluster, report as gone, as {issue '
  'id/occurrence: details}.';
