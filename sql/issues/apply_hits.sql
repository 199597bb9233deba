-- Several reports of one cluster are taken in the order of their own time, so an issue that goes and comes
-- back inside one batch counts as two occurrences, as if they had arrived one by one. A replaced newest
-- report (the same upload run again) counts like one more report: what is open is right, but an issue that
-- only the replaced version had, or lacked, has one occurrence more than the stored rows show.
--
-- A writer that gives a received_at of its own is believed, unless its clock is ahead of ours: then the
-- report is known from seen_at on.
create or replace function ccx.apply_hits(hits seen_hit[], seen_at timestamptz) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  with report as materialized (
    select r.org_id, r.cluster, r.ordinal, r.updated_at,
      max(r.known_at) over (partition by r.org_id, r.cluster order by r.ordinal) as known_at
    from (
      select distinct h.org_id, h.cluster, h.nth as ordinal, h.updated_at,
        case when h.received_at >= now() then seen_at else h.received_at end as known_at
      from unnest(hits) h
    ) r
  ), sighting as (
    -- opens: not in the report before this one
    select h.org_id, h.cluster, r.id as rule_id, i.id as issue_id, coalesce(i.occurrence, 0) as occurrence,
      h.nth as ordinal, h.updated_at,
      h.nth is distinct from 1 + coalesce(
        lag(h.nth) over (partition by h.org_id, h.cluster, r.id order by h.nth),
        case when i.id is not null and i.closed_at is null then 0 end) as opens
    from unnest(hits) h
    join rule r on r.component = h.component and r.error_key = h.error_key
    left join issue i on i.org_id = h.org_id and i.cluster = h.cluster and i.rule_id = r.id
  ), numbered as (
    -- the sightings of one occurrence; 0 is the one that was open before
    select s.*,
      count(*) filter (where s.opens) over (partition by s.org_id, s.cluster,
        s.rule_id order by s.ordinal)::integer as nth
    from sighting s
  ), stretch as (
    select n.org_id, n.cluster, n.rule_id, n.issue_id, n.occurrence, n.nth,
      min(n.ordinal) as first_ordinal, max(n.ordinal) as last_ordinal
    from numbered n
    group by n.org_id, n.cluster, n.rule_id, n.issue_id, n.occurrence, n.nth
  ), seen as materialized (
    -- one row for each issue; what it needs of its occurrences travels along as arrays, since the planner,
    -- which expects one row of each, would compare all with all
    select coalesce(s.issue_id, nextval(pg_get_serial_sequence('issue', 'id'))) as id, s.*
    from (
      select s.org_id, s.cluster, s.rule_id, s.issue_id, s.occurrence,
        max(s.nth) as openings,
        min(first.updated_at) as first_seen,
        max(first.updated_at) filter (where s.nth > 0) as opened_at,
        (array_agg(gone.updated_at order by s.nth desc))[1] as closed_at,
        array_agg(s.nth) as nths,
        array_agg(first.updated_at) as opened_ats,
        array_agg(gone.updated_at) as closed_ats,
        array_agg(first.known_at) as known_froms,
        array_agg(gone.known_at) as known_untils
      from stretch s
      join report first
        on first.org_id = s.org_id and first.cluster = s.cluster and first.ordinal = s.first_ordinal
      left join report gone
        on gone.org_id = s.org_id and gone.cluster = s.cluster and gone.ordinal = s.last_ordinal + 1
      group by s.org_id, s.cluster, s.rule_id, s.issue_id, s.occurrence
    ) s
  ), added as (
    insert into issue (id, org_id, cluster, rule_id, first_seen, opened_at, closed_at, occurrence)
    overriding system value
    select id, org_id, cluster, rule_id, first_seen, opened_at, closed_at, openings
    from seen
    where issue_id is null
    order by org_id, cluster, rule_id
  ), reopened_or_closed as (
    update issue i
    set opened_at = coalesce(s.opened_at, i.opened_at),
        closed_at = s.closed_at,
        occurrence = i.occurrence + s.openings
    from seen s
    where i.id = s.issue_id
      and (s.openings > 0 or s.closed_at is not null)
  ), began as (
    insert into occurrence (issue_id, occurrence, opened_at, closed_at, known_from, known_until)
    -- a clock may have gone back since the occurrence before it: an issue is never open twice at one time
    select s.id, s.occurrence + o.nth, o.opened_at, o.closed_at, greatest(o.known_from, before.known_at),
      case when o.known_until is not null then greatest(o.known_until, before.known_at) end
    from seen s
    cross join lateral (
      select (
        select greatest(b.known_from, b.known_until)
        from occurrence b
        where b.issue_id = s.issue_id and b.occurrence = s.occurrence) as known_at
      offset 0
    ) before
    cross join lateral unnest(s.nths, s.opened_ats, s.closed_ats, s.known_froms, s.known_untils)
      as o (nth, opened_at, closed_at, known_from, known_until)
    where o.nth > 0
    order by s.id, o.nth
  ), closed as (
    update issue i
    set closed_at = first_without.updated_at
    from report first_without
    where first_without.ordinal = 1
      and i.org_id = first_without.org_id
      and i.cluster = first_without.cluster
      and i.closed_at is null
      -- `not in` is always hashed; `not exists` became a nested loop, since the planner expects one row of
      -- seen: 327 ms of the 372 ms that a batch of 1,000 reports took
      and i.id not in (select s.issue_id from seen s where s.issue_id is not null)
    returning i.id, i.occurrence, i.closed_at, first_without.known_at as known_until
  ), ended as (
    select c.id, c.occurrence, c.closed_at, c.known_until
    from closed c
    union all
    select s.issue_id, s.occurrence, o.closed_at, o.known_until
    from seen s
    cross join lateral unnest(s.nths, s.closed_ats, s.known_untils) as o (nth, closed_at, known_until)
    where o.nth = 0 and o.closed_at is not null
    union all
    -- open before, gone in the first of these reports and back in a later one
    select s.issue_id, s.occurrence, first_without.updated_at, first_without.known_at
    from seen s
    join report first_without
      on first_without.org_id = s.org_id and first_without.cluster = s.cluster and first_without.ordinal = 1
    where s.issue_id is not null and 0 <> all (s.nths)
  )
  update occurrence o
  set closed_at = e.closed_at, known_until = greatest(e.known_until, o.known_from)
  from ended e
  where o.issue_id = e.id and o.occurrence = e.occurrence and o.closed_at is null;
end $$;

comment on function ccx.apply_hits(seen_hit[], timestamptz) is
  'Opens, reopens and closes issues, and begins and ends occurrences, by the hits of new reports (1, 2, … '
  'of each cluster), which are known from seen_at on.';
