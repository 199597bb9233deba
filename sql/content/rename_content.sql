-- What was said under the old name was said of this rule, so a question about the past gets the same answer
-- by the new one; and until a load brings the new name, the issues are not without content.
create or replace function ccx.rename_content(old_name text, new_name text, module text) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  copied integer;
begin
  -- a load at the same time would end what it does not know
  lock table rule_content in share row exclusive mode;
  insert into rule_content
    (rule_name, python_module, error_key, description, generic, summary, reason, resolution, more_info,
      impact, likelihood, status, publish_date, tags, validity)
  select rename_content.new_name, rename_content.module, c.error_key, c.description, c.generic, c.summary,
    c.reason, c.resolution, c.more_info, c.impact, c.likelihood, c.status, c.publish_date, c.tags,
      free.validity
  from rule_content c
  cross join lateral unnest(tstzmultirange(c.validity) - coalesce((
    select range_agg(n.validity)
    from rule_content n
    where n.rule_name = rename_content.new_name and n.error_key = c.error_key), '{}')) as free (validity)
  where c.rule_name = rename_content.old_name
  order by c.id, free.validity;
  get diagnostics copied = row_count;
  return copied;
end $$;

comment on function ccx.rename_content(text, text, text) is
  'Adds to the content of a rule, for the times without any, that of the name that it had before; returns '
  'how many versions.';
