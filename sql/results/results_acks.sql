create or replace function ccx.results_acks(org_id bigint) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('meta', jsonb_build_object('count', count(*)),
      'data', coalesce(jsonb_agg(ack_in_json(d)
        order by d.rule_id collate "C", d.error_key collate "C"), '[]'))
    from rule_disable d
    where d.org_id = results_acks.org_id::text);
end $$;

comment on function ccx.results_acks(bigint) is 'The rules that an organization has acknowledged.';
