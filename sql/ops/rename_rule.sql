-- Reports and decisions wait while this goes on: a report that named the rule in the same moment would open
-- the issue anew, and a decision would notify of it. They wait for nothing else: if somebody's open
-- transaction is in the way, this gives up at once, since everybody would queue behind it.
create or replace function rename_rule(old text, new text)
returns table (old_component text, new_component text, issues integer, merged integer, silences integer,
  acknowledgements integer, policies integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
set lock_timeout = '1s'
as $$
declare
  old_ref record;
  new_ref record;
  known record;
  next_id integer;
  moved moved_occurrence[];
  renamed text[];
begin
  select r.*, regexp_replace(r.module, '\.(report|recommendation)$', '') as name into old_ref
    from rule_ref(old) r;
  select r.*, regexp_replace(r.module, '\.(report|recommendation)$', '') as name into new_ref
    from rule_ref(new) r;
  if coalesce(old_ref.rule_name, '') = '' or coalesce(new_ref.rule_name, '') = '' then
    raise exception 'a rename needs the name that the rule had and the one that it has'
      using errcode = 'NTN01';
  end if;
  if old like '%|%' or new like '%|%' then
    raise exception 'a whole rule is renamed, not one of its error keys' using errcode = 'NTN02';
  end if;
  if new_ref.name !~ '^[^[:space:][:cntrl:]]{1,200}$' or new_ref.name ~ '(^|\.)(\.|$)' then
    raise exception '% is no name of a rule', quote_literal(left(new, 100)) using errcode = 'NTN03';
  end if;
  if new_ref.name = old_ref.name then
    raise exception 'the rule % has that name already', old_ref.name using errcode = 'NTN04';
  end if;

  begin
    lock table rule, decision_due in share row exclusive mode;
  exception when lock_not_available then
    raise exception 'an open transaction that stored reports or decides is in the way; nothing was renamed'
      using errcode = 'NTN06', hint = 'Try again; pg_stat_activity shows who has a transaction open.';
  end;

  old_component := null;
  issues := 0;
  merged := 0;
  silences := 0;
  acknowledgements := 0;
  policies := 0;
  for known in
    -- as reports spell it, of each error key; without a report, as its content says
    select r.id, r.component, r.error_key, coalesce(
      case when strpos(new_ref.name, '.') = 0 then (
        select min(n.component) from rule n where n.rule_name = new_ref.rule_name) end,
      renamed_component(r.component, coalesce(
        case when strpos(new_ref.name, '.') = 0 then (
          select min(c.python_module) from rule_content c
          where c.rule_name = new_ref.rule_name and upper_inf(c.validity)) end,
        new_ref.name))) as new_component
    from (
      select r.id, r.component, r.error_key from rule r
      where r.rule_name = old_ref.rule_name
      union all
      select null, c.python_module || '.report', null
      from (select distinct c.python_module from rule_content c
        where c.rule_name = old_ref.rule_name and upper_inf(c.validity)) c
      where not exists (select from rule r where r.rule_name = old_ref.rule_name)
    ) r
    where strpos(old_ref.name, '.') = 0
      or old_ref.name = regexp_replace(r.component, '\.(report|recommendation)$', '')
    order by r.component, r.error_key
  loop
    continue when known.component = known.new_component;
    old_component := coalesce(old_component, known.component);
    new_component := coalesce(new_component, known.new_component);
    perform note_rename(known.component, known.new_component);
    continue when known.id is null;
    select r.id into next_id
    from rule r
    where r.component = known.new_component and r.error_key = known.error_key;
    moved := array(select o from merged_occurrences(known.id, next_id) o);
    merged := merged + (select count(distinct m.new_issue_id) from unnest(moved) m);
    if moved <> '{}' then
      perform move_notified(array_agg(m.issue_id), array_agg(m.occurrence), array_agg(m.is_last),
        array_agg(m.new_issue_id), array_agg(m.new_occurrence))
      from unnest(moved) m;
      perform move_unrendered(moved);
    end if;
    issues := issues + rename_issues(known.id, known.new_component, next_id, moved);
  end loop;
  if old_component is null then
    perform notice_unknown_names(null, null, old_ref.rule_name, null, null);
    raise exception 'there is no rule of the name %', old_ref.name using errcode = 'NTN05';
  end if;

  if new_ref.rule_name <> old_ref.rule_name
    -- another module has a rule of the same bare name: what was said of the name stays with it
    and not exists (select from rule r where r.rule_name = old_ref.rule_name) then
    perform rename_content(old_ref.rule_name, new_ref.rule_name,
      regexp_replace(new_component, '\.(report|recommendation)$', ''));
    policies := rename_policies(old_ref.rule_name, new_ref.rule_name);
    select s.silences, s.acknowledgements into silences, acknowledgements
    from rename_silenced(old_ref.rule_name, new_ref.rule_name) s;
  end if;
  perform request_decisions('rule renamed', array[new_ref.rule_name]);
  return next;
end $$;

comment on function rename_rule(text, text) is
  'A rule that has another name or module now: its issues go on, with their occurrences, cooldowns, '
  'silences, acknowledgements and policies; those that reports opened under the new name become one with '
  'them.';
