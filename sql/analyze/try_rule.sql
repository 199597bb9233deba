create or replace function try_rule(rule text, archive_id bigint)
returns table (error_key text, details jsonb, reason text, detail text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  ran record;
begin
  if not exists (select from sql_rule r where r.name = try_rule.rule) then
    raise exception 'there is no rule %', try_rule.rule
      using errcode = 'NTY06', hint = 'select name from sql_rule';
  end if;
  perform open_archive(try_rule.archive_id);
  select r.hits, r.reason, r.detail into ran from run_rule(try_rule.rule) r;
  if ran.reason is not null then
    return query select null::text, null::jsonb, ran.reason, ran.detail;
  end if;
  return query
  select h.key, h.details, null::text, null::text
  from jsonb_to_recordset(ran.hits) h (key text, details jsonb);
end $$;

comment on function try_rule(text, bigint) is
  'The hits of a rule on a kept archive, or why it fails; nothing is stored or published.';
