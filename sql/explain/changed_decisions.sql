-- The totals stand in each row, so that rows and totals are of one snapshot. Planned for what is asked:
-- PostgreSQL 16 and 17 would read every issue for one organization in SQL.
create or replace function ccx.changed_decisions(
  most integer default null, only_target text default null, only_org bigint default null,
  only_rule text default null
) returns table (
  target text, org_id bigint, cluster text, component text, error_key text, before text, after text,
  next_eligible_at_before timestamptz, next_eligible_at timestamptz, next_eligible text,
  total_decisions integer, total_notify_before integer, total_notify integer
)
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return query
  select d.target, d.org_id, d.cluster, d.component, d.error_key, d.before, d.after,
    d.next_eligible_at_before,
    d.next_eligible_at, d.next_eligible, count(*) over ()::integer,
    count(*) filter (where d.before = 'notify') over ()::integer,
    count(*) filter (where d.after = 'notify') over ()::integer
  from diff_in_words(only_target, only_org, only_rule) d
  order by d.org_id, d.cluster, d.component, d.error_key, d.target
  limit most;
end $$;

comment on function ccx.changed_decisions(integer, text, bigint, text) is
  'The first so many (null: all) decisions that the open transaction would change (explain_diff), with how '
  'many there are in all and how many notify before and after; scoped as diff_in_words().';
