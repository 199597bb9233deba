-- Theirs writes recommendations from a message whose report it has refused as old; ours have one source.
create or replace function ccx.tg_recommendation__stored() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  cluster constant text := refuse_foreign_row('recommendation', new.org_id, new.cluster_id);
begin
  if not cluster_is_known(new.org_id, cluster) then
    raise exception 'aggregator.recommendation: cluster % has no report of organization %', cluster,
      new.org_id
      using errcode = 'NTV04', hint = 'insert its report first';
  end if;
  if not exists (
    select from issue i
    join rule r on r.id = i.rule_id
    where i.org_id = new.org_id and i.cluster = lower(new.cluster_id) and i.closed_at is null
      and rule_module(r.component) = rule_module(new.rule_fqdn) and r.error_key = new.error_key)
  then
    raise exception 'aggregator.recommendation: the newest report of cluster % has no hit of %', cluster,
      coalesce(rule_id_of(new.rule_fqdn, new.error_key), 'a rule without a name')
      using errcode = 'NTV06', hint = 'recommendations come from reports: insert a report that has the hit';
  end if;
  return new;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_recommendation__stored() from public;

comment on function ccx.tg_recommendation__stored() is
  'Trigger of aggregator.recommendation: lets a row pass that is so already. Raises NTV01 (owner), NTV04 (no '
  'report) or NTV06 (no such hit).';
