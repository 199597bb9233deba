-- The organization is text: what a person mistyped has no policy of its own.
create or replace function ccx.policies_about(org_id text, rule text)
returns setof policies
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select p.*
  from policies p
  where (p.org_id is null or p.org_id::text = policies_about.org_id)
    and (p.rule_name is null or p.rule_name = rule_name(policies_about.rule))
$$;

comment on function ccx.policies_about(text, text) is
  'The policies in force of all, and those that this organization, this rule or both have of their own.';
