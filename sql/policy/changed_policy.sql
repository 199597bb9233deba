-- Clusters are written in small letters, as the consumer stores them.
create or replace function ccx.changed_policy(policy policy, change jsonb, at timestamptz default now())
  returns policy
language plpgsql stable parallel safe
set search_path = public, ccx, pg_temp
as $$
declare
  -- every column of policy that says neither whom it is for nor where it comes from
  settings constant text[] := array(
    select a.attname from pg_attribute a
    where a.attrelid = 'policy'::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      and a.attname not in ('id', 'target_id', 'org_id', 'rule_name', 'notify_resolved_since', 'validity',
        'changed_by', 'reason', 'ended_by', 'end_reason')
    order by a.attnum);
  intervals constant text[] := array(
    select a.attname from pg_attribute a where a.attrelid = 'policy'::regclass
      and a.atttypid = 'interval'::regtype);
  wrong text;
  refused record;
  changed policy;
begin
  if jsonb_typeof(change) is distinct from 'object' then
    raise exception 'a change of a policy is an object of settings' using errcode = 'NTP08';
  end if;
  select key into wrong from jsonb_object_keys(change) key where key <> all (settings) limit 1;
  if found then
    raise exception 'a policy has no setting "%"; the settings are: %', wrong, array_to_string(settings, ', ')
      using errcode = 'NTP09';
  end if;
  for wrong in select key from jsonb_object_keys(change) key where key = any (intervals) loop
    if change ->> wrong ~ '^[ +-]*[0-9.]+ *$' and change ->> wrong !~ '^[ +-]*0+ *$'
      or not pg_input_is_valid(change ->> wrong, 'interval') then
      raise exception 'the setting % is an interval with its unit, for example "3 days", not "%"', wrong,
        change ->> wrong
        using errcode = 'NTP10', column = wrong;
    end if;
  end loop;
  -- what is a number, but too large for the column, is out of bounds like any other
  select s.key, s.value #>> '{}' as text, c.meaning, format_type(a.atttypid, null) as type into refused
  from jsonb_each(change) s
  join pg_attribute a on a.attrelid = 'policy'::regclass and a.attname = s.key
  left join lateral (
    select obj_description(c.oid, 'pg_constraint') as meaning
    from pg_constraint c
    where c.conrelid = a.attrelid and c.contype = 'c' and c.conkey = array[a.attnum]
      and s.value #>> '{}' ~ '^[+-]?[0-9]+$' and a.atttypid in ('smallint'::regtype, 'integer'::regtype)
  ) c on true
  where jsonb_typeof(s.value) <> 'null'
    and case
      when a.atttypid = 'text[]'::regtype then case jsonb_typeof(s.value)
        when 'array' then jsonb_path_exists(s.value,
          'strict $[*] ? (@.type() == "array" || @.type() == "object")')
        else not pg_input_is_valid(s.value #>> '{}', 'text[]') end
      else jsonb_typeof(s.value) in ('array', 'object')
        or not pg_input_is_valid(s.value #>> '{}', format_type(a.atttypid, null)) end
  limit 1;
  if refused.meaning is not null then
    raise exception '%', refused.meaning using errcode = 'NTP06', column = refused.key;
  elsif refused.key is not null then
    raise exception 'the setting % is %, not "%"', refused.key,
      case refused.type
        when 'boolean' then 'true or false'
        when 'text' then 'a text'
        when 'text[]' then 'a list of texts'
        when 'interval' then 'an interval with its unit'
        else 'a whole number' end,
      refused.text
      using errcode = 'NTP17', column = refused.key;
  end if;
  changed := jsonb_populate_record(policy, change);
  -- a list that is null stays null: for allowed_clusters it means all of them, the others refuse it
  if changed.required_tags is not null then
    changed.required_tags := array(select btrim(tag) from unnest(changed.required_tags) tag);
  end if;
  if changed.blocked_clusters is not null then
    changed.blocked_clusters := array(select lower(btrim(name)) from unnest(changed.blocked_clusters) name);
  end if;
  if changed.allowed_clusters is not null then
    changed.allowed_clusters := array(select lower(btrim(name)) from unnest(changed.allowed_clusters) name);
  end if;
  changed.notify_resolved_since := case when changed.notify_resolved
    then coalesce(policy.notify_resolved_since, at) end;
  changed.compiled_filter := compile_filter(changed.filter);
  perform check_policy(changed);
  return changed;
end $$;

comment on function ccx.changed_policy(policy, jsonb, timestamptz) is
  'The policy with these settings changed from this time on; refuses settings that do not exist, are out of '
  'bounds, or filters that cannot be read. Writes nothing.';
