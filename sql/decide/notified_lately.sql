create or replace function ccx.notified_lately(at timestamptz)
  returns table (target_id integer, rule_name text, clusters integer)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select c.target_id, c.rule_name, sum(c.clusters)::integer
  from notified_count c
  where c.counted_at > notified_lately.at - interval '1 hour' and c.counted_at <= notified_lately.at
  group by c.target_id, c.rule_name;
$$;

comment on function ccx.notified_lately(timestamptz) is
  'How many clusters were notified in the hour before this time, by target and rule (null: all rules).';
