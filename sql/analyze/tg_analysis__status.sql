-- The uploader, upload_status and whoever reads the topic of payload statuses learn where an upload is. An
-- upload without a request id has nothing to be known by.
create or replace function ccx.tg_analysis__status() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  perform note_payload_status(
    new.request_id, 'ccx-data-pipeline',
    case new.state when 'published' then 'success' when 'dead' then 'error' else 'processing' end,
    case new.state when 'dead' then format('%s: %s', new.failure, new.error) else '' end,
    new.org_id, new.account_number::text);
  return null;
end $$;

comment on function ccx.tg_analysis__status() is
  'Trigger of analysis: says that an upload is being processed, is done, or has failed.';
