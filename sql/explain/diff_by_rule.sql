-- What a policy of one target, organization or rule changes is found in its own scope.
create or replace function ccx.diff_by_rule(
  only_target text default null, only_org bigint default null, only_rule text default null
) returns table (
  target text, component text, error_key text, before text, after text, next_eligible text,
  decisions integer, clusters integer, organizations integer
)
language sql stable
begin atomic
  select d.target, d.component, d.error_key, d.before, d.after, d.next_eligible, count(*)::integer,
    count(distinct d.cluster)::integer, count(distinct d.org_id)::integer
  from diff_in_words(only_target, only_org, only_rule) d
  group by d.target, d.component, d.error_key, d.before, d.after, d.next_eligible;
end;

comment on function ccx.diff_by_rule(text, bigint, text) is
  'explain_diff_by_rule, for one target, organization and rule (any spelling) or (null) for all.';
