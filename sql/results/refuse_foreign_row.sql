-- What every one of the aggregator's tables begins with. Returns the cluster in lower case.
create or replace function ccx.refuse_foreign_row(table_name text, org_id bigint, cluster text) returns text
language plpgsql immutable
set search_path = public, ccx, pg_temp
as $$
begin
  if coalesce(org_id, 0) not between 1 and 9007199254740991 then
    raise exception 'aggregator.%: org_id has to be a positive whole number, but is %',
      table_name, coalesce(org_id::text, 'missing')
      using errcode = 'NTV01';
  end if;
  if cluster is null or cluster !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    raise exception 'aggregator.%: the cluster has to be a UUID, but is %',
      table_name, coalesce(quote_literal(left(cluster, 40)), 'missing')
      using errcode = 'NTV01';
  end if;
  return lower(cluster);
end $$;

comment on function ccx.refuse_foreign_row(text, bigint, text) is
  'Looks at the owner of a row that somebody writes to one of the aggregator''s tables: returns the cluster '
  'in lower case, or raises NTV01.';
