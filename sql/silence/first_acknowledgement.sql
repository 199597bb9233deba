-- Two queries, each with an index of its own: in one with a condition for each, a plan that is kept for any
-- arguments reads all acknowledgements of the rule.
create or replace function ccx.first_acknowledgement(
  org_id bigint, cluster text, rule_name text, error_key text, at timestamptz
) returns bigint
language sql stable parallel safe
begin atomic
  select case when first_acknowledgement.cluster is null
    then (
      select min(a.id)
      from acknowledgement a
      where a.rule_name = first_acknowledgement.rule_name and a.cluster is null
        and a.org_id = first_acknowledgement.org_id
        and a.period @> at
        and coalesce(a.error_key = first_acknowledgement.error_key, true))
    else (
      select min(a.id)
      from acknowledgement a
      where a.rule_name = first_acknowledgement.rule_name and a.cluster = first_acknowledgement.cluster
        and coalesce(a.org_id = first_acknowledgement.org_id, true)
        and a.period @> at
        and coalesce(a.error_key = first_acknowledgement.error_key, true)) end;
end;

comment on function ccx.first_acknowledgement(bigint, text, text, text, timestamptz) is
  'The oldest acknowledgement in force at this time of an organization (cluster null), or of one of its '
  'clusters, that holds this issue; null: none.';
