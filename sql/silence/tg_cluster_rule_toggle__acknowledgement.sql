-- A row stays when the rule is switched on again, so an update may begin an acknowledgement, end one, both
-- (the row is now that of another rule) or neither. The aggregator goes by `disabled` alone, so a time that
-- is still to come is one of a clock that runs ahead: it counts from now.
create or replace function ccx.tg_cluster_rule_toggle__acknowledgement() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  was_off boolean := tg_op <> 'INSERT' and old.disabled = 1;
  is_off boolean := tg_op <> 'DELETE' and new.disabled = 1;
  is_another boolean := tg_op = 'UPDATE'
    and (old.cluster_id, old.rule_id, old.error_key, old.org_id) <> (new.cluster_id, new.rule_id,
      new.error_key, new.org_id);
  changed_at timestamptz := now();
  free_from timestamptz;
begin
  if was_off and (is_another or not is_off) then
    if tg_op = 'UPDATE' and not is_off then
      changed_at := least(new.enabled_at, changed_at);
    end if;
    update acknowledgement a
    set period = tstzrange(lower(a.period), greatest(changed_at, lower(a.period)))
    where a.source = 'cluster_rule_toggle'
      and a.source_key = concat_ws(' ', old.cluster_id, old.rule_id, old.error_key)
      and upper_inf(a.period);
    perform request_decisions('acknowledgement ended', array[present_name(rule_name(old.rule_id))],
      cluster => lower(old.cluster_id), at => changed_at);
  end if;
  if is_off and (is_another or not was_off) then
    -- a row that comes back with its old time, as when the table is copied anew, goes on where it ended
    select max(upper(a.period)) into free_from
    from acknowledgement a
    where a.source = 'cluster_rule_toggle'
      and a.source_key = concat_ws(' ', new.cluster_id, new.rule_id, new.error_key);
    insert into acknowledgement (org_id, cluster, rule_name, error_key, period, source, source_key)
    values (nullif(new.org_id, '0')::bigint, lower(new.cluster_id), present_name(rule_name(new.rule_id)),
      coalesce(nullif(new.error_key, ''), (select r.error_key from rule_ref(new.rule_id) r)),
      tstzrange(greatest(case when was_off then changed_at else least(new.disabled_at, changed_at) end,
        free_from), null),
      'cluster_rule_toggle', concat_ws(' ', new.cluster_id, new.rule_id, new.error_key));
  end if;
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_cluster_rule_toggle__acknowledgement() from public;

comment on function ccx.tg_cluster_rule_toggle__acknowledgement() is
  'Trigger of cluster_rule_toggle: keeps its history in acknowledgement; what is switched on again is asked '
  'again.';
