create or replace function ccx.results_rate(org_id bigint, module text, error_key text, rating integer)
  returns text
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  insert into advisor_ratings as a (org_id, rule_fqdn, error_key, rating)
  values (results_rate.org_id, rule_module(results_rate.module), results_rate.error_key, results_rate.rating)
  on conflict (org_id, rule_fqdn, error_key) do update
  set rating = excluded.rating, last_updated_at = now();
  return json_build_object('rule', rule_id_of(module, error_key), 'rating', rating);
end $$;

comment on function ccx.results_rate(bigint, text, text, integer) is
  'Notes how an organization rates a rule; returns that.';
