create or replace function ccx.aggregator_rating(org_id bigint, module text, error_key text) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'rating', jsonb_build_object(
      'rule', rule_id_of(a.rule_fqdn, a.error_key), 'rating', a.rating))
    from advisor_ratings a
    where a.org_id = aggregator_rating.org_id and a.rule_fqdn = rule_module(aggregator_rating.module)
      and a.error_key = aggregator_rating.error_key);
end $$;

comment on function ccx.aggregator_rating(bigint, text, text) is
  'How an organization has rated a rule. Null: it has not.';
