create or replace function track_upload(request_id text)
  returns table (
    org_id bigint, account_number text, service text, status text, status_msg text, date timestamptz)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select m.org_id, m.account_number, m.service, m.status, m.status_msg, m.noted_at
  from upload_message m
  where m.request_id = track_upload.request_id and m.kind = 'status'
  order by m.noted_at desc, m.message_id desc;
$$;

comment on function track_upload(text) is
  'What was said about an upload, the latest first, as a payload tracker answers.';
