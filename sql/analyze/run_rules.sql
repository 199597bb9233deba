create or replace function ccx.run_rules(leave_out text[] default '{}')
returns table (rule text, component text, tags text[], links jsonb, hits jsonb, reason text, detail text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  for rule, component, tags, links in
    select r.name, r.component, r.tags, r.links
    from sql_rule r
    where r.suspended_at is null and r.name <> all (run_rules.leave_out)
    order by r.component
  loop
    select one.hits, one.reason, one.detail into hits, reason, detail from run_rule(rule) one;
    return next;
  end loop;
  -- what a rule locked for its session
  perform pg_advisory_unlock_all();
end $$;

comment on function ccx.run_rules(text[]) is
  'Runs every rule that is not suspended, but those left out, on the table files.';
