create or replace function ccx.tg_rule_content__announce() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  perform pg_notify('ccx_content', '');
  return null;
end $$;

comment on function ccx.tg_rule_content__announce() is
  'Trigger of rule_content: notifies the workers, on the channel ccx_content, to look whether what they keep '
  'of it still holds.';
