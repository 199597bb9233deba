create or replace function ccx.hit_in_json(
  component text, error_key text, content rule_content, disabled_since timestamptz, disable_feedback text,
  user_vote smallint, details jsonb, impacted timestamptz
) returns jsonb
language sql stable parallel safe
-- clients pass over a hit whose details do not name its key
return jsonb_build_object(
    'rule_id', component, 'description', (content).description, 'details', (content).generic,
    'reason', (content).reason, 'resolution', (content).resolution, 'more_info', (content).more_info,
    'total_risk', (content).total_risk, 'disabled', disabled_since is not null,
    'disable_feedback', disable_feedback, 'disabled_at', coalesce(seconds_text(disabled_since), ''),
    'internal', is_internal((content).python_module), 'user_vote', user_vote,
    'extra_data', jsonb_build_object('type', 'rule')
      || case jsonb_typeof(details) when 'object' then details else '{}' end
      || jsonb_build_object('error_key', error_key),
    'tags', to_jsonb((content).tags))
  || jsonb_strip_nulls(jsonb_build_object(
    'created_at', seconds_text((content).publish_date), 'impacted', seconds_text(impacted)));

comment on function
  ccx.hit_in_json(text, text, rule_content, timestamptz, text, smallint, jsonb, timestamptz) is
  'One hit as the public API shows it, with what its content says; times that are not known are missing, '
  'since clients in Go do not read an empty text as a time.';
