-- The aggregator's table holds only what is in force; the history that decide() reads is kept here.
-- A time that is still to come is one of a clock that runs ahead: it counts from now.
create or replace function ccx.tg_rule_disable__acknowledgement() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  changed_at timestamptz := now();
  free_from timestamptz;
begin
  if tg_op <> 'INSERT' then
    update acknowledgement a
    set period = tstzrange(lower(a.period), greatest(changed_at, lower(a.period)))
    where a.source = 'rule_disable'
      and a.source_key = concat_ws(' ', old.org_id, old.rule_id, old.error_key)
      and upper_inf(a.period);
    perform request_decisions('acknowledgement ended', array[present_name(rule_name(old.rule_id))],
      old.org_id::bigint, at => changed_at);
  end if;
  if tg_op <> 'DELETE' then
    -- a row that comes back with its old time, as when the table is copied anew, goes on where it ended
    select max(upper(a.period)) into free_from
    from acknowledgement a
    where a.source = 'rule_disable'
      and a.source_key = concat_ws(' ', new.org_id, new.rule_id, new.error_key);
    insert into acknowledgement (org_id, rule_name, error_key, period, source, source_key)
    values (new.org_id::bigint, present_name(rule_name(new.rule_id)),
      coalesce(nullif(new.error_key, ''), (select r.error_key from rule_ref(new.rule_id) r)),
      tstzrange(greatest(case tg_op when 'INSERT' then least(new.created_at, changed_at) else changed_at end,
        free_from), null),
      'rule_disable', concat_ws(' ', new.org_id, new.rule_id, new.error_key));
  end if;
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_rule_disable__acknowledgement() from public;

comment on function ccx.tg_rule_disable__acknowledgement() is
  'Trigger of rule_disable: keeps its history in acknowledgement; what is no longer disabled is asked again.';
