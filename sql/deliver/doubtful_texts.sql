create or replace view doubtful_texts with (security_invoker = true) as
select c.rule_name, c.error_key, t.name as target, d.text_name, d.place, d.kind, d.since, d.last_at, d.times,
  d.example_cluster, d.example, d.content_id
from doubtful_text d
join rule_content c on c.id = d.content_id
join event_targets t on t.id = d.target_id
where upper_inf(c.validity);

comment on view doubtful_texts is
  'For authors of content: texts in force that lacked a value when they were rendered. Nothing stands in its '
  'place; the policy setting doubtful_texts says whether such a text goes out.';
comment on column doubtful_texts.rule_name is 'bare name of the rule';
comment on column doubtful_texts.error_key is 'which of the rule''s problems';
comment on column doubtful_texts.target is 'the target';
comment on column doubtful_texts.text_name is 'which of its texts';
comment on column doubtful_texts.place is 'what stands between the braces of the tag';
comment on column doubtful_texts.kind is
  'what the value was: missing, null, object, list, function, not_a_number; link: no address for a link, '
  'about:blank in its place';
comment on column doubtful_texts.since is 'when that was first';
comment on column doubtful_texts.last_at is 'when it last was';
comment on column doubtful_texts.times is 'in how many messages';
comment on column doubtful_texts.example_cluster is 'the cluster of the last one';
comment on column doubtful_texts.example is 'the value of the last one, as far as there was one';
comment on column doubtful_texts.content_id is 'version of the content';
