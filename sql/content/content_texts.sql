create or replace function ccx.content_texts(ids bigint[])
returns table (id bigint, version text, templates jsonb)
language sql stable parallel safe
begin atomic
  select c.id, c.xmin::text, jsonb_build_object('description', c.description, 'generic', c.generic,
    'summary', c.summary, 'reason', c.reason, 'resolution', c.resolution, 'more_info', c.more_info)
  from rule_content c
  where c.id = any (content_texts.ids);
end;

comment on function ccx.content_texts(bigint[]) is
  'The texts of these content versions, as templates by name; version changes when the row does. What does '
  'not exist is left out.';
