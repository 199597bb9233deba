-- The rows are those that decide() reads through acknowledgement. A rule that is off already keeps its time;
-- one that is switched on is so in every spelling.
create or replace function ccx.results_toggle(
  org_id bigint, cluster text, module text, error_key text, is_disabled boolean,
  any_rule boolean default false
) returns text
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  if not cluster_is_known(results_toggle.org_id, results_toggle.cluster)
    or not (any_rule or rule_has_content(results_toggle.module, results_toggle.error_key)) then
    return null;
  end if;
  if is_disabled then
    insert into cluster_rule_toggle as t (cluster_id, rule_id, error_key, org_id, disabled, disabled_at,
      updated_at)
    values (results_toggle.cluster, rule_module(results_toggle.module) || '.report', results_toggle.error_key,
      results_toggle.org_id::text, 1, now(), now())
    on conflict (cluster_id, rule_id, error_key) do update
    set org_id = excluded.org_id, disabled = 1, disabled_at = excluded.disabled_at,
      updated_at = excluded.updated_at
    where t.disabled = 0 or t.org_id <> excluded.org_id;
  else
    update cluster_rule_toggle t
    set disabled = 0, enabled_at = now(), updated_at = now()
    where lower(t.cluster_id) = results_toggle.cluster and t.org_id in ('0', results_toggle.org_id::text)
      and t.disabled = 1
      and rule_module(t.rule_id) in (rule_module(results_toggle.module), rule_name(results_toggle.module))
      and t.error_key = results_toggle.error_key;
  end if;
  return '{"status":"ok"}';
end $$;

comment on function ccx.results_toggle(bigint, text, text, text, boolean, boolean) is
  'Switches a rule off for one cluster, or on again. Null: no such cluster, or (unless any_rule) nothing is '
  'known about the rule.';
