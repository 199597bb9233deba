-- One expression, so that it is inlined wherever it is used: decide(), the preview, and asking again when it
-- ends.
create or replace function ccx.silence_matches(
  silence silence, org_id bigint, cluster text, rule_name text, error_key text, tags text[]
) returns boolean
language sql immutable parallel safe
return (silence.org_id is null or silence.org_id = org_id)
  and (silence.cluster is null or silence.cluster = cluster)
  and (silence.rule_name is null or silence.rule_name = rule_name)
  and (silence.error_key is null or silence.error_key = error_key)
  and (silence.tag is null or silence.tag = any (tags));

comment on function ccx.silence_matches(silence, bigint, text, text, text, text[]) is
  'Does this silence hold an issue with these properties (tags: of the rule''s content); what it does not '
  'name matches anything.';
