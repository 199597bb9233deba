-- What is due (claim_due()), with what it says (message_body()).
--
-- Always a few rows found by index, whatever the statistics say: on tables that were not analyzed yet the
-- planner read all of issue once for every message (0.25 ms instead of 0.01 ms each with 3,000 issues, and
-- growing with them).
create or replace function ccx.claim_notifications(
  target text, batch_size integer, lease interval default '2 minutes', at timestamptz default now()
) returns table (
  id bigint, message_id uuid, attempt integer, org_id bigint, account_number bigint, cluster text,
  updated_at timestamptz, decided_at timestamptz, resolved boolean, issues jsonb
)
language plpgsql volatile
set search_path = public, ccx, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  claimed notification[];
begin
  -- A statement of its own: the one that reads what they say has to see every message that the claim saw,
  -- also one that was committed after the claim had begun.
  claimed := array(
    select c from claim_due(claim_notifications.target, batch_size, lease, claim_notifications.at) c);
  return query
  select c.id, c.message_id, c.attempts, c.org_id, c.account_number, c.cluster, c.updated_at, c.decided_at,
    c.resolved, body.issues
  from unnest(claimed) c
  cross join lateral message_body(c) body
  order by c.id;
end $$;

comment on function ccx.claim_notifications(text, integer, interval, timestamptz) is
  'Takes up to batch_size messages that are due for this target for the length of the lease, with the '
  'issues to tell and the details of their hits; a few or none while its circuit is open.';
