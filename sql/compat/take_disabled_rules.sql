-- The aggregator's database is the truth about what came from it: what it has no more ends here, what people
-- acknowledged with `ccx ack` stays (disabled_elsewhere remembers which is which). An organization that is no
-- number has no reports.
create or replace function ccx.take_disabled_rules(toggles jsonb, disables jsonb, out added integer,
  out ended integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  wanted disabled_elsewhere[];
  part integer;
begin
  perform pg_advisory_xact_lock(hashtext('ccx.take_disabled_rules'));
  wanted := array(
    select distinct (true, lower(t.cluster_id), t.rule_id, coalesce(t.error_key, ''))::disabled_elsewhere
    from jsonb_to_recordset(toggles) as t (cluster_id text, rule_id text, error_key text)
    where rule_name(t.rule_id) <> '');
  wanted := wanted || array(
    select distinct (false, d.org_id, d.rule_id, coalesce(d.error_key, ''))::disabled_elsewhere
    from jsonb_to_recordset(disables) as d (org_id text, rule_id text, error_key text)
    where d.org_id ~ '^[0-9]{1,18}$' and rule_name(d.rule_id) <> '');

  with past as (
    delete from disabled_elsewhere e
    where (e.is_toggle, e.owner, e.rule_id, e.error_key) not in (
      select w.is_toggle, w.owner, w.rule_id, w.error_key from unnest(wanted) w)
    returning e.*
  ), enabled as (
    update cluster_rule_toggle t
    set disabled = 0, enabled_at = now(), updated_at = now()
    from past p
    where p.is_toggle and t.cluster_id = p.owner and t.rule_id = p.rule_id and t.error_key = p.error_key
      and t.disabled = 1
  ), deleted as (
    delete from rule_disable d
    using past p
    where not p.is_toggle and d.org_id = p.owner and d.rule_id = p.rule_id and d.error_key = p.error_key
  )
  select count(*) into ended from past;

  with fresh as (
    insert into cluster_rule_toggle as t
      (cluster_id, rule_id, error_key, disabled, disabled_at, updated_at)
    select w.owner, w.rule_id, w.error_key, 1, now(), now()
    from unnest(wanted) w
    where w.is_toggle
    on conflict (cluster_id, rule_id, error_key) do update
    set disabled = 1, disabled_at = excluded.disabled_at, updated_at = excluded.updated_at
    where t.disabled = 0
    returning t.cluster_id, t.rule_id, t.error_key
  )
  insert into disabled_elsewhere (is_toggle, owner, rule_id, error_key)
  select true, f.cluster_id, f.rule_id, f.error_key from fresh f
  on conflict do nothing;
  get diagnostics added = row_count;
  with fresh as (
    insert into rule_disable (org_id, rule_id, error_key)
    select w.owner, w.rule_id, w.error_key from unnest(wanted) w where not w.is_toggle
    on conflict do nothing
    returning org_id, rule_id, error_key
  )
  insert into disabled_elsewhere (is_toggle, owner, rule_id, error_key)
  select false, f.org_id, f.rule_id, f.error_key from fresh f
  on conflict do nothing;
  get diagnostics part = row_count;
  added := added + part;
end $$;

comment on function ccx.take_disabled_rules(jsonb, jsonb) is
  'Brings cluster_rule_toggle and rule_disable in step with those of the aggregator''s database (arrays of '
  'their rows); what people acknowledged here stays. Returns how many were added and ended.';
