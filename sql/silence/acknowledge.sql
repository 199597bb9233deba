create or replace function acknowledge(
  org_id bigint, rule text, cluster text default null, error_key text default null,
    justification text default null
) returns boolean
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  asked record;
  key text;
begin
  select * into asked from rule_ref(acknowledge.rule) r;
  key := coalesce(named_key(acknowledge.rule, acknowledge.error_key), '');
  cluster := lower(btrim(acknowledge.cluster, e' \t\r\n'));
  if acknowledge.org_id is null or coalesce(asked.rule_name, '') = '' then
    raise exception 'an acknowledgement needs an organization and a rule' using errcode = 'NTA01';
  end if;
  if acknowledge.cluster is not null and acknowledge.justification is not null then
    raise exception 'an acknowledgement for one cluster has no place for a justification'
      using errcode = 'NTA02';
  end if;
  if acknowledge.cluster = '' then
    raise exception 'an acknowledgement cannot be for a cluster without a name' using errcode = 'NTA03';
  end if;
  perform notice_unknown_names(acknowledge.org_id, acknowledge.cluster, asked.rule_name, nullif(key, ''),
    null);
  perform lock_acknowledgements(acknowledge.org_id);
  if acknowledge.cluster is null then
    -- somebody may have spelled the rule another way
    if exists (
      select from rule_disable d
      where d.org_id = acknowledge.org_id::text
        and exists (
          select from rule_ref(d.rule_id) r
          where present_name(r.rule_name) = present_name(asked.rule_name)
            and coalesce(nullif(d.error_key, ''), r.error_key, '') = key))
    then
      return false;
    end if;
    insert into rule_disable (org_id, rule_id, error_key, justification)
    values (acknowledge.org_id::text, asked.module, key, acknowledge.justification)
    on conflict do nothing;
  else
    if exists (
      select from cluster_rule_toggle t
      where lower(t.cluster_id) = acknowledge.cluster
        and t.org_id in ('0', acknowledge.org_id::text)
        and exists (
          select from rule_ref(t.rule_id) r
          where present_name(r.rule_name) = present_name(asked.rule_name)
            and coalesce(nullif(t.error_key, ''), r.error_key, '') = key)
        and t.disabled = 1)
    then
      return false;
    end if;
    insert into cluster_rule_toggle (cluster_id, rule_id, error_key, org_id, disabled, disabled_at,
      updated_at)
    values (acknowledge.cluster, asked.module, key, acknowledge.org_id::text, 1, now(), now())
    on conflict (cluster_id, rule_id, error_key) do update
    set org_id = excluded.org_id, disabled = 1, disabled_at = excluded.disabled_at,
      updated_at = excluded.updated_at;
  end if;
  return found;
end $$;

comment on function acknowledge(bigint, text, text, text, text) is
  'Stops notification an organization, or one of its clusters, about a rule (any spelling); false when it '
  'was so already.';
