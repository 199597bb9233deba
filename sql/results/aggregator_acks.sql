create or replace function ccx.aggregator_acks(
  org_id bigint, module text default null, error_key text default null
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  acks jsonb;
begin
  select coalesce(jsonb_agg(aggregator_ack(d) order by d.rule_id collate "C", d.error_key collate "C"), '[]')
  into acks
  from rule_disable d
  where d.org_id = aggregator_acks.org_id::text
    and (aggregator_acks.module is null or d.error_key = aggregator_acks.error_key
      and d.rule_id = ack_spelling(aggregator_acks.org_id, aggregator_acks.module,
        aggregator_acks.error_key));
  if module is null then
    return jsonb_build_object('status', 'ok', 'disabledRules', acks);
  end if;
  return case when acks <> '[]' then jsonb_build_object('status', 'ok', 'disabledRule', acks -> 0) end;
end $$;

comment on function ccx.aggregator_acks(bigint, text, text) is
  'The acknowledgements of an organization, or one of them (null: it has not acknowledged that rule).';
