create or replace function unacknowledge(
  org_id bigint, rule text, cluster text default null, error_key text default null
) returns boolean
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  key text := coalesce(unacknowledge.error_key, split_part(unacknowledge.rule, '|', 2));
begin
  if unacknowledge.cluster is null then
    delete from rule_disable d
    where d.org_id = unacknowledge.org_id::text
      and rule_name(d.rule_id) = rule_name(unacknowledge.rule)
      and coalesce(nullif(d.error_key, ''), split_part(d.rule_id, '|', 2)) = key;
  else
    update cluster_rule_toggle t
    set disabled = 0, enabled_at = now(), updated_at = now()
    where lower(t.cluster_id) = lower(unacknowledge.cluster)
      and t.org_id in ('0', unacknowledge.org_id::text)
      and rule_name(t.rule_id) = rule_name(unacknowledge.rule)
      and coalesce(nullif(t.error_key, ''), split_part(t.rule_id, '|', 2)) = key
      and t.disabled = 1;
  end if;
  return found;
end $$;

comment on function unacknowledge(bigint, text, text, text) is
  'Takes an acknowledgement back; what it held is asked again. False when there was none.';
