-- Row triggers do not fire for truncate. The aggregator's table is refreshed by truncate and copy: what comes
-- back goes on where it ended, the rest has ended.
create or replace function ccx.tg_acknowledgement__emptied() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  rules text[];
begin
  with ended as (
    update acknowledgement a
    set period = tstzrange(lower(a.period), greatest(now(), lower(a.period)))
    where a.source = tg_table_name and upper_inf(a.period)
    returning a.rule_name
  )
  select array_agg(distinct e.rule_name) into rules from ended e;
  if rules is not null then
    perform request_decisions('acknowledgement ended', rules, at => now());
  end if;
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_acknowledgement__emptied() from public;

comment on function ccx.tg_acknowledgement__emptied() is
  'Trigger of rule_disable and cluster_rule_toggle: a truncate ends every acknowledgement that came from '
  'that table.';
