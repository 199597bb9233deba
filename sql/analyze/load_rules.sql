-- The whole set at once: what is not in it any more, goes. Nothing of a file is executed while it is loaded:
-- it is the text of a function's body, which PostgreSQL checks. A function that is stable cannot write, and
-- what it calls is taken back (run_rule).
create or replace function load_rules(rules jsonb, at timestamptz default now())
returns table (rule text, action text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  r record;
begin
  perform given(load_rules.at);
  if jsonb_typeof(load_rules.rules) is distinct from 'array' or jsonb_array_length(load_rules.rules) = 0 then
    raise exception 'there are no rules to load: without any, every issue would end'
      using errcode = 'NTY02';
  end if;
  perform prepare_rules();
  -- those that run are waited for
  perform pg_advisory_xact_lock(hashtextextended('ccx rules', 0));
  perform open_files('{}', '{}');

  for r in
    select *
    from jsonb_to_recordset(load_rules.rules) n (
      name text, component text, description text, reads text[], tags text[], links jsonb, source text)
    order by n.name
  loop
    rule := r.name;
    select
      case
        when o.name is null then 'added'
        when (o.component, o.reads, o.tags, o.links, o.source)
          is distinct from (r.component, r.reads, r.tags, r.links, r.source) then 'changed'
        when to_regprocedure(format('rules.%I()', r.name)) is null then 'changed'
        when o.suspended_at is not null then 'resumed'
        else 'unchanged' end
    into action
    from (select r.name as wanted) w
    left join sql_rule o on o.name = w.wanted;
    if action <> 'unchanged' then
      insert into sql_rule as o (name, component, description, reads, tags, links, source, loaded_at)
      values (r.name, r.component, r.description, r.reads, r.tags, r.links, r.source, load_rules.at)
      on conflict (name) do update
      set component = excluded.component, description = excluded.description, reads = excluded.reads,
        tags = excluded.tags, links = excluded.links, source = excluded.source,
        loaded_at = excluded.loaded_at, loaded_by = excluded.loaded_by, timeouts = 0, suspended_at = null;
    end if;
    if action in ('added', 'changed') then
      begin
        if to_regprocedure(format('rules.%I()', r.name)) is not null then
          execute format('drop function rules.%I()', r.name);
        end if;
        execute format(
          'create function rules.%I() returns table (error_key text, details jsonb) language sql stable
             security definer set search_path = pg_catalog, pg_temp set work_mem = ''16MB'' as %L',
          r.name, r.source);
        execute format('comment on function rules.%I() is %L', r.name, r.description);
        grant create on schema rules to ccx_rules;
        execute format('alter function rules.%I() owner to ccx_rules', r.name);
        revoke create on schema rules from ccx_rules;
      exception when others then
        raise exception 'rules/%.sql cannot be loaded: %', r.name, sqlerrm
          using errcode = 'NTY03', hint = 'nothing was loaded';
      end;
    end if;
    return next;
  end loop;

  for rule in
    delete from sql_rule o
    where o.name not in (
      select n.name from jsonb_to_recordset(load_rules.rules) n (name text))
    returning o.name
  loop
    if to_regprocedure(format('rules.%I()', rule)) is not null then
      execute format('drop function rules.%I()', rule);
    end if;
    action := 'removed';
    return next;
  end loop;
end $$;

comment on function load_rules(jsonb, timestamptz) is
  'Replaces the SQL rules by those given: [{name, component, description, reads, tags, links, source}]. '
  'Raises NTY02 for none, NTY03 for one that is no query of (error_key text, details jsonb).';
