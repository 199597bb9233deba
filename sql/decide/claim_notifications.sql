-- What is due (claim_due()) and still to be notified (decide_again()), with what it says (message_body()).
-- What is left of a claim may be nothing; then it takes the next ones, since a worker that gets none stops.
--
-- Always a few rows found by index, whatever the statistics say: on tables that were not analyzed yet the
-- planner read all of issue once for every message (0.25 ms instead of 0.01 ms each with 3,000 issues, and
-- growing with them).
create or replace function ccx.claim_notifications(
  target text, batch_size integer, lease interval default '2 minutes', at timestamptz default now()
) returns table (
  id bigint, message_id uuid, attempt integer, org_id bigint, account_number bigint, cluster text,
  updated_at timestamptz, decided_at timestamptz, first_tried_at timestamptz, resolved boolean,
    issues jsonb, traceparent text
)
language plpgsql volatile
set search_path = public, ccx, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  claimed notification[];
  waited bigint[];
  withdrawn bigint[];
begin
  loop
    -- A statement of its own: the one that reads what they say has to see every message that the claim saw,
    -- also one that was committed after the claim had begun.
    claimed := array(
      select c from claim_due(claim_notifications.target, batch_size, lease, claim_notifications.at) c);
    exit when cardinality(claimed) = 0;

    waited := array(
      select c.id
      from unnest(claimed) c
      join policy p on p.target_id = c.target_id and p.org_id is null and p.rule_name is null
        and p.validity @> claim_notifications.at
      -- what a person sends again is not asked about
      where not c.may_be_out and c.replay_of is null and c.redriven_at is null
        and (c.failure is not null or claim_notifications.at - c.decided_at > p.decide_again_after
          -- what it says is gone may be what nobody was notified of
          or c.resolved and exists (
            select from notification e
            where e.cluster = c.cluster and e.org_id = c.org_id and e.target_id = c.target_id
              and e.state in ('withdrawn', 'dead') and e.ended_at >= c.decided_at)));
    exit when cardinality(waited) = 0;
    withdrawn := decide_again(waited, claim_notifications.at);
    exit when cardinality(withdrawn) < cardinality(claimed);
  end loop;

  return query
  select c.id, c.message_id, c.attempts, c.org_id, c.account_number, c.cluster, c.updated_at, c.decided_at,
    c.first_tried_at, c.resolved, body.issues, c.traceparent
  from (
    -- A report is read once for all messages about it: one with tens of thousands of hits takes tenths of a
    -- second. offset 0, so that it does not happen again for each message.
    select about.messages,
      case when about.resolved then details_when_gone(about.messages)
        else (
          select d.by_hit
          from new_reports r
          cross join lateral details_by_hit(r.report) d
          where r.org_id = about.org_id and r.cluster = about.cluster and r.updated_at = about.updated_at)
        end as details
    from (
      select k.org_id, k.cluster, k.updated_at, k.resolved, array_agg(k) as messages
      from unnest(claimed) k
      where withdrawn is null or k.id <> all (withdrawn)
      group by k.org_id, k.cluster, k.updated_at, k.resolved
    ) about
    offset 0
  ) report
  cross join lateral unnest(report.messages) c
  cross join lateral message_body(c, report.details) body
  order by c.id;
end $$;

comment on function ccx.claim_notifications(text, integer, interval, timestamptz) is
  'Takes up to batch_size messages that are due for this target and still to be notified, for the length of '
  'the lease, with the issues to name and the details of their hits; a few or none while its circuit is '
  'open.';
