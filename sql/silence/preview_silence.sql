create or replace function preview_silence(
  org_id bigint default null,
  cluster text default null,
  rule text default null,
  error_key text default null,
  tag text default null,
  at timestamptz default now()
) returns table (org_id bigint, cluster text, component text, error_key text, first_seen timestamptz)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select h.*
  from (
    select jsonb_populate_record(null::silence, jsonb_build_object(
      'org_id', preview_silence.org_id,
      'cluster', lower(btrim(preview_silence.cluster, e' \t\r\n')),
      'rule_name', (select r.rule_name from rule_ref(preview_silence.rule) r),
      'error_key', named_key(preview_silence.rule, preview_silence.error_key),
      'tag', btrim(preview_silence.tag, e' \t\r\n'))) as silence
  ) draft
  cross join lateral silenced_issues(draft.silence, given(preview_silence.at)) h;
$$;

comment on function preview_silence(bigint, text, text, text, text, timestamptz) is
  'The open issues that such a silence would hold.';
