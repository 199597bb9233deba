create or replace function ccx.rule_texts(rule text)
returns table (
  rule_name text, error_key text, since timestamptz, until timestamptz, total_risk smallint,
  likelihood smallint,
  impact smallint, status text, tags text[], description text, reason text, resolution text)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select c.rule_name, c.error_key, lower(c.validity), upper(c.validity), c.total_risk, c.likelihood, c.impact,
    c.status, c.tags, c.description, c.reason, c.resolution
  from rule_content c
  where c.rule_name = rule_name(rule_texts.rule)
  order by c.error_key, lower(c.validity) desc
$$;

comment on function ccx.rule_texts(text) is
  'What a rule says, and said before: each version of its content, the newest first.';
