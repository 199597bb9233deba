-- What is over is copied, too: a question about the past gets the same answer by the new name. The tables of
-- the aggregator get the new name; should it write the old one again, their triggers know what it means.
create or replace function ccx.rename_silenced(
  old_name text, new_name text, out silences integer, out acknowledgements integer
)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  last_name constant text := format('(^|\.)%s((\.report|\.recommendation)?(\|.*)?)$',
    regexp_replace(old_name, '([^A-Za-z0-9_])', '\\\1', 'g'));
begin
  insert into silence (org_id, cluster, rule_name, error_key, tag, everything, period, reason, created_by,
    created_at, ended_at, ended_by)
  select s.org_id, s.cluster, rename_silenced.new_name, s.error_key, s.tag, s.everything, s.period, s.reason,
    s.created_by, s.created_at, s.ended_at, s.ended_by
  from silence s
  where s.rule_name = old_name
  order by s.id
  on conflict do nothing;
  get diagnostics silences = row_count;
  update silence s
  set ended_at = now(), ended_by = session_user
  where s.rule_name = old_name and s.ended_at is null and upper(s.period) > now();

  insert into acknowledgement (org_id, cluster, rule_name, error_key, period, source, source_key)
  select a.org_id, a.cluster, rename_silenced.new_name, a.error_key, a.period, a.source,
    a.source_key || ' renamed'
  from acknowledgement a
  where a.rule_name = old_name and not upper_inf(a.period)
  order by a.id
  on conflict do nothing;

  insert into rule_disable (org_id, rule_id, error_key, justification, created_at, updated_at)
  select d.org_id, regexp_replace(d.rule_id, last_name, '\1' || new_name || '\2'), d.error_key,
    d.justification, d.created_at, d.updated_at
  from rule_disable d
  where rule_name(btrim(d.rule_id)) = old_name
  on conflict do nothing;
  insert into cluster_rule_toggle (cluster_id, rule_id, error_key, org_id, disabled, disabled_at, enabled_at,
    updated_at)
  select t.cluster_id, regexp_replace(t.rule_id, last_name, '\1' || new_name || '\2'), t.error_key, t.org_id,
    t.disabled, t.disabled_at, t.enabled_at, t.updated_at
  from cluster_rule_toggle t
  where rule_name(btrim(t.rule_id)) = old_name
  on conflict do nothing;
  select count(*) into acknowledgements
  from acknowledgement a
  where a.rule_name = old_name and upper_inf(a.period);
  delete from rule_disable d where rule_name(btrim(d.rule_id)) = old_name;
  delete from cluster_rule_toggle t where rule_name(btrim(t.rule_id)) = old_name;
end $$;

comment on function ccx.rename_silenced(text, text) is
  'Lets the silences and acknowledgements of a rule go on under its new name; returns how many.';
