create or replace function ccx.aggregator_hit(
  component text, error_key text, disabled_since timestamptz, disable_feedback text, user_vote smallint,
  details jsonb
) returns jsonb
language sql stable parallel safe
return jsonb_build_object('component', component, 'key', error_key, 'user_vote', user_vote,
  'disabled', disabled_since is not null, 'disable_feedback', disable_feedback,
  'disabled_at', coalesce(seconds_text(disabled_since), ''), 'details', details);

comment on function ccx.aggregator_hit(text, text, timestamptz, text, smallint, jsonb) is
  'One hit as the aggregator''s own paths show it: without content.';
