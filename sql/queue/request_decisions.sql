-- Whatever changes an answer without a report asks this way: the clusters concerned are looked up by whoever
-- decides next, so that a person's open transaction holds no lock that reports or decisions need (what-if
-- depends on it).
create or replace function ccx.request_decisions(
  cause text,
  rule_names text[] default null,
  org_id bigint default null,
  cluster text default null,
  silence_id bigint default null,
  at timestamptz default now()
) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  insert into decision_request (cause, rule_names, org_id, cluster, silence_id, due_at)
  values (request_decisions.cause, request_decisions.rule_names, request_decisions.org_id,
    request_decisions.cluster,
    request_decisions.silence_id, request_decisions.at);
$$;

comment on function ccx.request_decisions(text, text[], bigint, text, bigint, timestamptz) is
  'Asks for a new decision, from this time on, about the clusters with issues of these rules, this '
  'organization, this cluster, or held by this silence; null: any.';
