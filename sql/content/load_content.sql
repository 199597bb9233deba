-- The whole content at once: what changed gets a new version, what is gone ends, the rest is left alone. What
-- the source holds, but does not conform, is not gone: one bad rule must not end itself, nor keep others
-- back.
create or replace function load_content(
  content jsonb,
  at timestamptz default now(),
  refused jsonb default '[]',
  source text default 'load_content()',
  accepted boolean default false
)
returns table (added integer, changed integer, removed integer, unchanged integer, refused_count integer,
  vanished text[], appeared text[])
language plpgsql volatile
set search_path = public, ccx, pg_temp
-- somebody may have loaded content in a transaction that is still open, to see what it would change
set lock_timeout = '10s'
as $$
#variable_conflict use_column
declare
  rule_names text[];
  added_names text[];
  guard content_guard;
  present_count integer;
begin
  perform given(load_content.at);
  -- null would end every version
  if jsonb_typeof(content) is distinct from 'array'
    or jsonb_path_exists(content, 'strict $[*] ? (@.type() != "object")') then
    raise exception 'content is a list of objects, one for each rule and error key' using errcode = 'NTC05';
  end if;
  -- two loads at once would each end the other's versions
  lock table rule_content in share row exclusive mode;
  content := renamed_content(content);
  select g.* into guard from content_guard g;
  select count(*) into present_count from rule_content c where upper_inf(c.validity);

  with incoming as materialized (
    select * from jsonb_populate_recordset(null::rule_content, content)
  ), left_out as materialized (
    select * from jsonb_populate_recordset(null::content_refusal, load_content.refused)
  ), compared as materialized (
    select i.*, c.id as present_id, i.rule_name is null as is_gone, c.rule_name as present_rule_name,
      c.python_module as present_module,
      c.id is not null and i.rule_name is not null and
        (c.python_module, c.description, c.generic, c.summary, c.reason, c.resolution, c.more_info, c.impact,
          c.likelihood, c.status, c.publish_date, c.tags,
          c.impact_name, c.resolution_risk, c.plugin_name, c.node_id, c.product_code, c.rule_texts)
        is not distinct from
        (i.python_module, i.description, i.generic, i.summary, i.reason, i.resolution, i.more_info, i.impact,
          i.likelihood, i.status, i.publish_date, i.tags,
          coalesce(i.impact_name, ''), coalesce(i.resolution_risk, 0), coalesce(i.plugin_name, ''),
          coalesce(i.node_id, ''), coalesce(i.product_code, ''), coalesce(i.rule_texts, '{}')) as is_same
    from incoming i
    full join (select * from rule_content where upper_inf(validity)) c
      on c.rule_name = i.rule_name and c.error_key = i.error_key
    where i.rule_name is not null or not exists (
      select from left_out r
      where r.rule_name = c.rule_name and (r.error_key is null or r.error_key = c.error_key))
  ), ended as (
    update rule_content c
    set validity = tstzrange(lower(c.validity), load_content.at)
    from compared d
    where c.id = d.present_id and not d.is_same
  )
  select
    count(*) filter (where present_id is null),
    count(*) filter (where present_id is not null and not is_gone and not is_same),
    count(*) filter (where is_gone),
    count(*) filter (where is_same),
    array_agg(distinct coalesce(rule_name, present_rule_name)) filter (where not is_same),
    coalesce(array_agg(distinct present_module) filter (where present_module is not null
      and present_module not in (select i.python_module from incoming i)), '{}'),
    coalesce(array_agg(distinct python_module) filter (where python_module is not null
      and python_module not in (select c.python_module from rule_content c where upper_inf(c.validity))),
      '{}'),
    array_agg(distinct rule_name) filter (where present_id is null)
  into added, changed, removed, unchanged, rule_names, vanished, appeared, added_names
  from compared;

  if accepted or removed + changed < guard.min_rules
      or removed + changed <= guard.max_share * present_count then
    null;
  elsif use_acceptance(load_content.at) then
    accepted := true;
  else
    raise exception 'this would end % and change % of % rules and error keys in force, more than %; '
      'nothing was taken over (--yes or accept_content() says that it is meant)',
      removed, changed, present_count, round(100 * guard.max_share) || ' %' using errcode = 'NTC01';
  end if;

  insert into rule_content
    (rule_name, python_module, error_key, description, generic, summary, reason, resolution, more_info,
      impact,
      likelihood, status, publish_date, tags,
      impact_name, resolution_risk, plugin_name, node_id, product_code, rule_texts, validity)
  select i.rule_name, i.python_module, i.error_key, i.description, i.generic, i.summary, i.reason,
    i.resolution,
    i.more_info, i.impact, i.likelihood, i.status, i.publish_date, i.tags,
    coalesce(i.impact_name, ''), coalesce(i.resolution_risk, 0), coalesce(i.plugin_name, ''),
    coalesce(i.node_id, ''), coalesce(i.product_code, ''), coalesce(i.rule_texts, '{}'),
    tstzrange(load_content.at, null)
  from jsonb_populate_recordset(null::rule_content, content) i
  where not exists (
    select from rule_content c
    where c.rule_name = i.rule_name and c.error_key = i.error_key and upper_inf(c.validity));

  -- the old name came back beside the new one: it is that of another rule now
  update renamed_rule n
  set ended_at = load_content.at
  where n.ended_at is null and n.old_name = any (added_names) and n.old_name <> n.new_name
    and exists (select from rule_content c where c.rule_name = n.new_name and upper_inf(c.validity));

  delete from content_refusal r
  where not exists (
    select from jsonb_populate_recordset(null::content_refusal, load_content.refused) n
    where n.rule_name = r.rule_name and n.error_key is not distinct from r.error_key);
  insert into content_refusal as r (rule_name, error_key, problems, since, source)
  select n.rule_name, n.error_key, n.problems, load_content.at, load_content.source
  from jsonb_populate_recordset(null::content_refusal, load_content.refused) n
  on conflict (rule_name, error_key) do update set problems = excluded.problems, source = excluded.source
  where (r.problems, r.source) is distinct from (excluded.problems, excluded.source);
  update content_guard g set held_since = null, held_reason = null where g.held_since is not null;
  refused_count := jsonb_array_length(load_content.refused);

  if rule_names is not null then
    -- the first content of all changes every decision, as it should
    update content_guard g
    set loaded_at = load_content.at, is_accepted = load_content.accepted or present_count = 0;
    perform request_decisions('content changed', rule_names, at => load_content.at);
  end if;
  return next;
end $$;

comment on function load_content(jsonb, timestamptz, jsonb, text, boolean) is
  'Takes over the whole rule content (objects with the columns of rule_content). refused: what the source '
  'holds but does not conform, stays as it was. accepted: a person agrees to whatever changes. vanished, '
  'appeared: rules; see rename_rule().';
