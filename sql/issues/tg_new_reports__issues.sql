-- Keeps latest_report, issue, occurrence and decision_due in step with new_reports, whoever inserts: once per statement,
-- set by set. A report whose hits did not change writes nothing to issue and occurrence.
--
-- Several reports of one cluster in one statement are taken in the order of their own time, so an issue that goes
-- and comes back inside one batch counts as two occurrences, as if they had arrived one by one.
-- A replaced newest report (the same upload run again) counts like one more report: what is open is right, but an issue
-- that only the replaced version had, or lacked, has one occurrence more than the stored rows show.
--
-- The row lock on latest_report makes concurrent statements take turns per cluster, the one on decision_due makes them take
-- turns with decisions. The clock is read under both: a decision at a later time has seen these reports, one at an earlier
-- time has not, and that is what known_from and known_until say. A writer that gives a received_at of its own is believed, unless its
-- clock is ahead of ours.
create or replace function ccx.tg_new_reports__issues() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  -- the hits of the reports; a report without hits has one row with nulls
  reports integer[];   -- which report
  orgs bigint[];
  clusters text[];
  ordinals integer[];  -- 1 for the oldest of the new reports of a cluster, then 2, …
  times timestamptz[];
  arrivals timestamptz[];
  accounts bigint[];
  components text[];
  error_keys text[];
  seen_at timestamptz;
begin
  if not exists (select from arrived) then
    return null;
  end if;

  -- All of them are JSON, as a rule: read once (`offset 0`: the planner would write the cast out wherever it is used). Only
  -- where one is not is each looked at first.
  begin
    select array_agg(nth), array_agg(org_id), array_agg(cluster), array_agg(updated_at), array_agg(received_at),
      array_agg(account_number), array_agg(component), array_agg(error_key)
    into reports, orgs, clusters, times, arrivals, accounts, components, error_keys
    from (select row_number() over ()::integer as nth, a.* from arrived a) a
    cross join lateral (select a.report::jsonb as report offset 0) readable
    left join lateral report_hits(readable.report) on true;
  exception when data_exception or program_limit_exceeded then
    insert into read_errors (org_id, cluster, updated_at, error_text)
    select org_id, cluster, updated_at, 'report is not valid JSON'
    from arrived
    where not pg_input_is_valid(report, 'jsonb');

    select array_agg(nth), array_agg(org_id), array_agg(cluster), array_agg(updated_at), array_agg(received_at),
      array_agg(account_number), array_agg(component), array_agg(error_key)
    into reports, orgs, clusters, times, arrivals, accounts, components, error_keys
    from (select row_number() over ()::integer as nth, a.* from arrived a) a
    cross join lateral (select readable_report(a.report) as report offset 0) readable
    left join lateral report_hits(readable.report) on true
    where readable.report is not null;
  end;

  -- what is newer than what we knew
  with hit as materialized (
    select *
    from unnest(reports, orgs, clusters, times, arrivals, accounts, components, error_keys)
      as f (nth, org_id, cluster, updated_at, received_at, account_number, component, error_key)
  ), report as materialized (
    select distinct on (nth) nth, org_id, cluster, updated_at, received_at, account_number
    from hit
  ), advanced as (
    insert into latest_report as l (org_id, cluster, updated_at, account_number, received_at)
    select distinct on (org_id, cluster) org_id, cluster, updated_at, account_number, received_at
    from report
    order by org_id, cluster, updated_at desc
    on conflict (org_id, cluster) do update
    set previous_at = case when excluded.updated_at > l.updated_at then l.updated_at else l.previous_at end,
        updated_at = excluded.updated_at,
        account_number = excluded.account_number,
        received_at = excluded.received_at
    -- the same time again is the same upload run again: it counts only when the row itself was replaced
    where excluded.updated_at > l.updated_at
       or (excluded.updated_at = l.updated_at and tg_op = 'UPDATE')
    returning l.org_id, l.cluster, l.updated_at, l.previous_at
  ), fresh as materialized (
    select r.nth,
      -- replaced by somebody who left received_at as it was: known from now on, not since then
      case when tg_op = 'UPDATE' and r.received_at = (
          select before.received_at
          from latest_report before
          where before.org_id = r.org_id and before.cluster = r.cluster)
        then now() else r.received_at end as received_at,
      row_number() over (partition by r.org_id, r.cluster order by r.updated_at)::integer as ordinal
    from report r
    join advanced a using (org_id, cluster)
    where case tg_op when 'UPDATE' then r.updated_at = a.updated_at
                     else a.previous_at is null or r.updated_at > a.previous_at end
  )
  select array_agg(h.org_id), array_agg(h.cluster), array_agg(f.ordinal), array_agg(h.updated_at),
    array_agg(f.received_at), array_agg(h.component), array_agg(h.error_key)
  into orgs, clusters, ordinals, times, arrivals, components, error_keys
  from fresh f
  join hit h using (nth);

  if orgs is null then
    return null;
  end if;

  insert into rule (component, error_key)
  select distinct component, error_key
  from unnest(components, error_keys) as hit (component, error_key)
  where component is not null
    and not exists (select from rule r where r.component = hit.component and r.error_key = hit.error_key)
  order by component, error_key
  on conflict do nothing;

  insert into decision_due as d (org_id, cluster, by_report)
  select distinct org_id, cluster, true
  from unnest(orgs, clusters) as due (org_id, cluster)
  order by org_id, cluster
  -- an update, not "do nothing": a row that a decision holds right now may be deleted, and this one must not be lost
  on conflict (org_id, cluster) do update set by_report = true;
  seen_at := clock_timestamp();

  -- Most reports say what the one before them said. They need nothing more, and to leave them out here is half of what a
  -- batch took.
  with hit as materialized (
    select *
    from unnest(orgs, clusters, ordinals, times, arrivals, components, error_keys)
      as f (org_id, cluster, ordinal, updated_at, received_at, component, error_key)
  ), changed as materialized (
    select h.org_id, h.cluster
    from hit h
    left join rule r on r.component = h.component and r.error_key = h.error_key
    group by h.org_id, h.cluster
    having max(h.ordinal) > 1
      or coalesce(array_agg(r.id order by r.id) filter (where r.id is not null), '{}') <> array(
        select i.rule_id
        from issue i
        where i.cluster = h.cluster and i.org_id = h.org_id and i.closed_at is null
        order by i.rule_id)
  )
  select array_agg(h.org_id), array_agg(h.cluster), array_agg(h.ordinal), array_agg(h.updated_at),
    array_agg(h.received_at), array_agg(h.component), array_agg(h.error_key)
  into orgs, clusters, ordinals, times, arrivals, components, error_keys
  from hit h
  join changed using (org_id, cluster);

  if orgs is null then
    perform wake_decide();
    return null;
  end if;

  with hit as materialized (
    select *
    from unnest(orgs, clusters, ordinals, times, arrivals, components, error_keys)
      as f (org_id, cluster, ordinal, updated_at, received_at, component, error_key)
  ), report as materialized (
    select r.org_id, r.cluster, r.ordinal, r.updated_at,
      max(r.known_at) over (partition by r.org_id, r.cluster order by r.ordinal) as known_at
    from (
      select distinct h.org_id, h.cluster, h.ordinal, h.updated_at,
        case when h.received_at between now() and now() + interval '1 day' then seen_at else h.received_at end as known_at
      from hit h
    ) r
  ), sighting as (
    -- opens: not in the report before this one
    select h.org_id, h.cluster, r.id as rule_id, i.id as issue_id, coalesce(i.occurrence, 0) as occurrence,
      h.ordinal, h.updated_at,
      h.ordinal is distinct from 1 + coalesce(
        lag(h.ordinal) over (partition by h.org_id, h.cluster, r.id order by h.ordinal),
        case when i.id is not null and i.closed_at is null then 0 end) as opens
    from hit h
    join rule r on r.component = h.component and r.error_key = h.error_key
    left join issue i on i.org_id = h.org_id and i.cluster = h.cluster and i.rule_id = r.id
  ), numbered as (
    -- the sightings of one occurrence; 0 is the one that was open before
    select s.*,
      count(*) filter (where s.opens) over (partition by s.org_id, s.cluster, s.rule_id order by s.ordinal)::integer as nth
    from sighting s
  ), stretch as (
    select n.org_id, n.cluster, n.rule_id, n.issue_id, n.occurrence, n.nth,
      min(n.ordinal) as first_ordinal, max(n.ordinal) as last_ordinal
    from numbered n
    group by n.org_id, n.cluster, n.rule_id, n.issue_id, n.occurrence, n.nth
  ), seen as materialized (
    -- one row for each issue; what it needs of its occurrences travels along as arrays, since the planner, which expects
    -- one row of each, would compare all with all
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
      -- `not in` is always hashed; `not exists` became a nested loop, since the planner expects one row of seen:
      -- 327 ms of the 372 ms that a batch of 1,000 reports took
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

  perform wake_decide();
  return null;
end $$;

comment on function ccx.tg_new_reports__issues() is
  'Trigger of new_reports: keeps latest_report, issue, occurrence and decision_due in step with the reports of one statement.';
