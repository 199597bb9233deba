create or replace function ccx.content_versions(ids bigint[]) returns table (id bigint, version text)
language sql stable parallel safe
begin atomic
  select c.id, c.xmin::text
  from rule_content c
  where c.id = any (content_versions.ids);
end;

comment on function ccx.content_versions(bigint[]) is
  'Whether these content versions are still as content_texts() gave them: the same version. What does not '
  'exist is left out.';
