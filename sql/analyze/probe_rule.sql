create or replace function ccx.probe_rule(
  name text, paths text[], bodies text[], out hits jsonb, out reason text, out detail text
)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  perform open_files(probe_rule.paths, probe_rule.bodies);
  select r.hits, r.reason, r.detail into hits, reason, detail from run_rule(probe_rule.name) r;
  perform pg_advisory_unlock_all();
end $$;

comment on function ccx.probe_rule(text, text[], text[]) is
  'Runs one rule by itself, to find the one that takes too long; nothing is stored.';
