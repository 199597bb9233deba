-- A function, since a view in ccx would need a grant for each role that may see explain_diff. With an
-- organization, both decisions look up its clusters by index, whatever the fleet.
create or replace function ccx.diff_in_words(
  only_target text default null, only_org bigint default null, only_rule text default null
) returns table (
  target text, org_id bigint, cluster text, component text, error_key text, before text, after text,
  next_eligible_at_before timestamptz, next_eligible_at timestamptz, next_eligible text
)
language sql stable
begin atomic
  select d.target, d.org_id, d.cluster, d.component, d.error_key,
    case d.decision_before when 'hold'
      then 'hold: ' || array_to_string(d.reasons_before, ', ') else d.decision_before end,
    case d.decision when 'hold' then 'hold: ' || array_to_string(d.reasons, ', ') else d.decision end,
    d.next_eligible_at_before, d.next_eligible_at,
    case
      when d.next_eligible_at is not distinct from d.next_eligible_at_before then null
      when coalesce(d.next_eligible_at, '-infinity') > coalesce(d.next_eligible_at_before, '-infinity')
        then 'later'
      else 'sooner'
    end
  from explain_diff d
  where (only_target is null or d.target = only_target)
    and (only_org is null or d.org_id = only_org)
    and (only_rule is null or rule_name(d.component) = rule_name(only_rule));
end;

comment on function ccx.diff_in_words(text, bigint, text) is
  'explain_diff with decision and reasons as one text, and whether cooldown, spacing and damping end later '
  'or sooner; for one target, organization and rule (any spelling) or (null) for all.';
