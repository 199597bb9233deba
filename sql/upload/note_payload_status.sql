create or replace function ccx.note_payload_status(
  request_id text, service text, status text, status_msg text,
  org_id bigint default null, account_number text default '', at timestamptz default clock_timestamp()
) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  insert into upload_message (
    request_id, archive_id, kind, org_id, account_number, service, status, status_msg, noted_at, due_at)
  select note_payload_status.request_id, a.archive_id, 'status',
    coalesce(a.org_id, note_payload_status.org_id),
    coalesce(a.account_number, note_payload_status.account_number, ''),
    note_payload_status.service, note_payload_status.status, left(note_payload_status.status_msg, 1000),
    note_payload_status.at, note_payload_status.at
  from (select) one
  left join archive a on a.request_id = note_payload_status.request_id;
  perform wake_announcements();
end $$;

comment on function ccx.note_payload_status(text, text, text, text, bigint, text, timestamptz) is
  'Says where a request is (received, processing, processed, success, error): for upload_status, and for the '
  'topic of payload statuses. Organization and account are needed only for archives of another ingress.';
