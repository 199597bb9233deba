create or replace function ccx.note_past_issues(hits seen_hit[]) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  perform add_rules(hits);
  with past as (
    select h.org_id, h.cluster, r.id as rule_id, min(h.updated_at) as opened_at,
      greatest(l.updated_at, min(h.updated_at)) as closed_at, min(h.received_at) as known_from,
      greatest(l.received_at, min(h.received_at)) as known_until
    from unnest(hits) h
    join rule r on r.component = h.component and r.error_key = h.error_key
    join latest_report l on l.org_id = h.org_id and l.cluster = h.cluster
    group by h.org_id, h.cluster, r.id, l.updated_at, l.received_at
  ), added as (
    insert into issue (org_id, cluster, rule_id, first_seen, opened_at, closed_at)
    select p.org_id, p.cluster, p.rule_id, p.opened_at, p.opened_at, p.closed_at
    from past p
    order by p.org_id, p.cluster, p.rule_id
    on conflict do nothing
    returning id, org_id, cluster, rule_id
  )
  insert into occurrence (issue_id, occurrence, opened_at, closed_at, known_from, known_until)
  select a.id, 1, p.opened_at, p.closed_at, p.known_from, p.known_until
  from added a
  join past p using (org_id, cluster, rule_id);
end $$;

comment on function ccx.note_past_issues(seen_hit[]) is
  'Adds the issues that only these past reports had, as gone since the newest report of their cluster; '
  'what is known already is left alone.';
