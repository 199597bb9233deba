create or replace function ccx.silenced_issues(silence silence, at timestamptz)
returns table (org_id bigint, cluster text, component text, error_key text, first_seen timestamptz)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select i.org_id, i.cluster, r.component, r.error_key, i.first_seen
  from issue i
  join rule r on r.id = i.rule_id
  left join rule_content c
    on c.rule_name = r.rule_name and c.error_key = r.error_key and c.validity @> at
  where i.closed_at is null
    and silence_matches(silence, i.org_id, i.cluster, r.rule_name, r.error_key, c.tags);
$$;

comment on function ccx.silenced_issues(silence, timestamptz) is 'The open issues that a silence holds.';
