-- A name that nobody knows may be of something to come, so it is no error; but whoever mistyped one in an
-- incident believes that it works. The nearest name is that with most pairs of letters in common.
create or replace function ccx.notice_unknown_names(org_id bigint, cluster text, rule text,
  error_key text, tag text) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_variable
declare
  bare text := rule_name(rule);
  key text := coalesce(error_key, nullif(split_part(rule, '|', 2), ''));
  known text[];
  nearest text;
  owner bigint;
begin
  if bare is not null then
    if present_name(bare) <> bare then
      raise notice 'the rule % is % now', bare, present_name(bare);
    end if;
    known := array(select r.rule_name from rule r union select c.rule_name from rule_content c);
    if bare <> all (known) then
      nearest := nearest_name(bare, known);
      raise notice 'there is no rule of the name %', bare
        using hint = coalesce('Did you mean ' || nearest || '?', 'Neither reports nor rule content know it.');
    elsif key is not null then
      known := array(
        select r.error_key from rule r where r.rule_name = bare
        union select c.error_key from rule_content c where c.rule_name = bare);
      if key <> all (known) then
        raise notice 'rule % has no error key %', bare, key
          using hint = format('It has: %s.', array_to_string(known, ', '));
      end if;
    end if;
  elsif key is not null and not exists (
      select from rule r where r.error_key = key
      union all select from rule_content c where c.error_key = key) then
    raise notice 'no rule has the error key %', key;
  end if;

  if cluster is not null then
    select l.org_id into owner
    from latest_report l
    where l.cluster = lower(notice_unknown_names.cluster)
    order by l.updated_at desc
    limit 1;
    if not found then
      select min(l.cluster) into nearest
      from latest_report l
      where notice_unknown_names.cluster <> ''
        and starts_with(l.cluster, lower(notice_unknown_names.cluster));
      raise notice 'cluster % has never reported', cluster
        using hint = coalesce('Did you mean ' || nearest || '?', 'A cluster is named by its whole UUID.');
    elsif owner <> org_id then
      raise notice 'cluster % is of organization %, not of %', cluster, owner, org_id;
    end if;
  -- those that are here and those that left have an index each
  elsif org_id is not null and not exists (
      select from latest_report l where l.org_id = notice_unknown_names.org_id and l.left_at is null)
    and not exists (
      select from latest_report l where l.org_id = notice_unknown_names.org_id and l.left_at is not null) then
    raise notice 'no cluster of organization % has ever reported', org_id;
  end if;

  if tag is not null then
    known := array(select distinct unnest(c.tags) from rule_content c);
    if tag <> all (known) then
      nearest := nearest_name(tag, known);
      raise notice 'no rule has the tag %', tag
        using hint = coalesce('Did you mean ' || nearest || '?', 'Rule content does not know it.');
    end if;
  end if;
end $$;

comment on function ccx.notice_unknown_names(bigint, text, text, text, text) is
  'Says in a NOTICE which of these names nobody knows: organization, cluster, rule (any spelling), error '
  'key, tag; null: not asked.';
