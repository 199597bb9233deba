-- Only what is in the list can be called from outside, with arguments by name that its function has. An
-- argument {"setting": ID} stands for the number that an earlier setting got here: each cell numbers its
-- silences itself.
create or replace function ccx.apply_setting(action text, arguments jsonb, at timestamptz) returns jsonb
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  function_of regprocedure;
  asked record;
  value text;
  list text[] := '{}';
  result jsonb;
begin
  select p.oid into function_of
  from pg_proc p
  where p.pronamespace = 'public'::regnamespace and p.proname = apply_setting.action
    and p.proname in ('set_policy', 'end_policy', 'add_silence', 'end_silence', 'acknowledge',
      'unacknowledge',
      'set_retention');
  if not found then
    raise exception 'a fleet cannot apply "%"', coalesce(apply_setting.action, 'null')
      using errcode = 'NTZ04';
  end if;
  if not owns(apply_setting.arguments ->> 'cluster') then
    return '{"elsewhere": true}';
  end if;
  for asked in
    select a.key, a.value, p.argtype
    from jsonb_each(apply_setting.arguments) a
    left join lateral (
      select format_type(t.argtype, null) as argtype
      from pg_proc p
      cross join lateral unnest(p.proargtypes::oid[], p.proargnames[1:p.pronargs]) as t (argtype, name)
      where p.oid = function_of and t.name = a.key and t.name <> 'at') p on true
  loop
    if asked.argtype is null then
      raise exception '% has no argument "%"', apply_setting.action, asked.key using errcode = 'NTZ05';
    end if;
    value := asked.value #>> '{}';
    if jsonb_typeof(asked.value) = 'object' and asked.value ? 'setting' then
      select a.result ->> 'id' into value
      from fleet.applied a
      where a.setting_id = (asked.value ->> 'setting')::uuid;
      if value is null then
        raise exception 'the setting % has not made anything here', asked.value ->> 'setting'
          using errcode = 'NTZ06';
      end if;
    end if;
    list := list || format('%I => %L::%s', asked.key, value, asked.argtype);
  end loop;
  if 'at' = any ((select p.proargnames from pg_proc p where p.oid = function_of)::text[]) then
    list := list || format('at => %L::timestamptz', apply_setting.at);
  end if;
  execute format('select to_jsonb(r) from %I(%s) r', apply_setting.action, array_to_string(list, ', '))
  into result;
  return coalesce(result, '{}');
end $$;

comment on function ccx.apply_setting(text, jsonb, timestamptz) is
  'Calls a function that changes a setting, as a fleet asks for it, and returns what it returned; raises '
  'NTZ04 to NTZ06, and what the function raises.';
