-- A rule that ends, appears or gets another risk holds or releases all its open issues. Only rules whose
-- answer by some policy changes are looked at, so that a load that changes words reads no issue.
create or replace function ccx.tg_content_guard__issues() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  held integer;
  released integer;
  open_issues integer;
begin
  with compared as materialized (
    select rule_name, error_key, ended.past, begun.present
    from (select c.rule_name, c.error_key, c as past from rule_content c
      where upper(c.validity) = new.loaded_at) ended
    full join (select c.rule_name, c.error_key, c as present from rule_content c
      where lower(c.validity) = new.loaded_at) begun using (rule_name, error_key)
  ), judged as materialized (
    select p.id, p.target_id, p.org_id, p.rule_name as policy_rule, c.rule_name, c.error_key,
      policy_reasons(p, c.past, true, f.passes) = '{}' as notified_before,
      policy_reasons(p, c.present, true, g.passes) = '{}' as notified
    from compared c
    join policy p on p.validity @> new.loaded_at and (p.rule_name is null or p.rule_name = c.rule_name)
    left join filter_result f on f.policy_id = p.id and f.content_id = (c.past).id
    left join filter_result g on g.policy_id = p.id and g.content_id = (c.present).id
  ), turned as materialized (
    select distinct j.rule_name, j.error_key from judged j where j.notified_before <> j.notified
  ), decided as (
    select i.id, d.notified_before, d.notified
    from turned t
    join rule r on r.rule_name = t.rule_name and r.error_key = t.error_key
    join issue i on i.rule_id = r.id and i.closed_at is null
    cross join lateral (
      select distinct on (j.target_id) j.notified_before, j.notified
      from judged j
      where j.rule_name = t.rule_name and j.error_key = t.error_key
        and (j.org_id is null or j.org_id = i.org_id)
      order by j.target_id, j.org_id nulls last, j.policy_rule nulls last) d
  )
  select count(distinct d.id) filter (where d.notified_before and not d.notified),
    count(distinct d.id) filter (where d.notified and not d.notified_before)
  into held, released
  from decided d;
  if held + released < new.min_issues then
    return null;
  end if;
  select count(*) into open_issues from issue i where i.closed_at is null;
  if concerns_many(held + released, open_issues) and not use_acceptance(new.loaded_at) then
    raise exception 'this would hold % and release % of % open issues, more than %; nothing was taken over '
      '(--yes or accept_content() says that it is meant)',
      held, released, open_issues, round(100 * new.max_share) || ' %' using errcode = 'NTC02';
  end if;
  return null;
end $$;

comment on function ccx.tg_content_guard__issues() is
  'Trigger of content_guard: refuses a load of content that would hold or release more of the open issues '
  'than that allows, unless a person agreed.';
