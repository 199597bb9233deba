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
      'cluster', lower(preview_silence.cluster),
      'rule_name', rule_name(preview_silence.rule),
      'error_key', coalesce(preview_silence.error_key, (select r.error_key from rule_ref(preview_silence.rule) r)),
      'tag', preview_silence.tag)) as silence
  ) draft
  cross join lateral silenced_issues(draft.silence, preview_silence.at) h;
$$;

comment on function preview_silence(bigint, text, text, text, text, timestamptz) is
  'The open issues that such a silence would hold.';
