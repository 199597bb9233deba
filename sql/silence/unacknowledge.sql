create or replace function unacknowledge(
  org_id bigint, rule text, cluster text default null, error_key text default null
) returns boolean
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  asked record;
  key text;
begin
  select * into asked from rule_ref(unacknowledge.rule) r;
  key := coalesce(named_key(unacknowledge.rule, unacknowledge.error_key), '');
  cluster := lower(btrim(unacknowledge.cluster, e' \t\r\n'));
  if unacknowledge.org_id is null or coalesce(asked.rule_name, '') = '' then
    raise exception 'an acknowledgement needs an organization and a rule' using errcode = 'NTA01';
  end if;
  if unacknowledge.cluster is null then
    delete from rule_disable d
    where d.org_id = unacknowledge.org_id::text
      and exists (
        select from rule_ref(d.rule_id) r
        where present_name(r.rule_name) = present_name(asked.rule_name)
          and coalesce(nullif(d.error_key, ''), r.error_key, '') = key);
  else
    update cluster_rule_toggle t
    set disabled = 0, enabled_at = now(), updated_at = now()
    where lower(t.cluster_id) = unacknowledge.cluster
      and t.org_id in ('0', unacknowledge.org_id::text)
      and exists (
        select from rule_ref(t.rule_id) r
        where present_name(r.rule_name) = present_name(asked.rule_name)
          and coalesce(nullif(t.error_key, ''), r.error_key, '') = key)
      and t.disabled = 1;
  end if;
  if not found then
    perform notice_unknown_names(unacknowledge.org_id, unacknowledge.cluster, asked.rule_name,
      nullif(key, ''), null);
    return false;
  end if;
  return true;
end $$;

comment on function unacknowledge(bigint, text, text, text) is
  'Takes an acknowledgement back; what it held is asked again. False when there was none.';
