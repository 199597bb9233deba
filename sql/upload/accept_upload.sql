-- One call for an upload, whatever its size: the client waits for it. The content comes along where it is
-- small and its store is this database; else it is in the store already, and an upload that is not accepted
-- leaves an object behind that the sweep finds (known_objects).
--
-- An id that the client gave belongs to whoever used it first. The same cluster of the same organization
-- sends its upload again; anybody else gets spare_id, since his archive must neither take the place of the
-- other nor be taken for it.
create or replace function ccx.accept_upload(
  upload jsonb, content bytea default null, at timestamptz default clock_timestamp()
) returns table (request_id text, outcome text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  given archive;
  added archive;
  first archive;
  metadata jsonb;
begin
  -- the client's, so that jsonb may refuse it (\u0000, half a character)
  if pg_input_is_valid(upload->>'metadata', 'jsonb') then
    metadata := (upload->>'metadata')::jsonb;
  end if;
  select * into given
  from jsonb_populate_record(null::archive, upload - '{metadata,sha256}'::text[]);

  for tries in 1 .. 2 loop
    insert into archive (
      request_id, org_id, account_number, principal, cluster, service, category, content_type, size, sha256,
      store, object_key, b64_identity, metadata, user_agent, duplicate_of, received_at, stored_at,
      traceparent)
    select case tries when 1 then given.request_id else upload->>'spare_id' end,
      given.org_id, given.account_number, given.principal, given.cluster, given.service, given.category,
      given.content_type, given.size, decode(upload->>'sha256', 'hex'), given.store, given.object_key,
      given.b64_identity, metadata, given.user_agent,
      (
        select a.archive_id from archive a
        where a.org_id = given.org_id and a.sha256 = decode(upload->>'sha256', 'hex')
        order by a.archive_id limit 1
      ),
      given.received_at, accept_upload.at, given.traceparent
    on conflict (request_id) do nothing
    returning * into added;
    exit when added.archive_id is not null;
    select * into first from archive a where a.request_id = given.request_id;
    if first.org_id = given.org_id and first.cluster is not distinct from given.cluster then
      return query select first.request_id, 'repeated';
      return;
    end if;
  end loop;

  if content is not null then
    perform put_chunk(given.object_key, 0, content);
  end if;
  insert into upload_message (
    request_id, archive_id, kind, org_id, account_number, service, status, status_msg, noted_at, due_at)
  values
    (added.request_id, added.archive_id, 'status', added.org_id, added.account_number, 'ingress', 'received',
      'Payload received by ingress', added.received_at, accept_upload.at),
    (added.request_id, added.archive_id, 'announcement', added.org_id, added.account_number, added.service,
      null, null, accept_upload.at, accept_upload.at);
  perform wake_announcements();
  return query
  select added.request_id, case when added.request_id = given.request_id then 'new' else 'renamed' end;
end $$;

comment on function ccx.accept_upload(jsonb, bytea, timestamptz) is
  'Makes a stored upload count: archive, announcement and status, together. Says under which request id, and '
  'whether it is new, renamed (somebody else has the id that was given) or repeated (nothing was done).';
