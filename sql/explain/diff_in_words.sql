-- A function, since a view in ccx would need a grant for each role that may see explain_diff.
create or replace function ccx.diff_in_words() returns table (
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
  from explain_diff d;
end;

comment on function ccx.diff_in_words() is
  'explain_diff with decision and reasons as one text, and whether cooldown, spacing and damping end later '
  'or sooner.';
