-- With a lease, so that nobody holds a transaction open while the broker answers: what is not settled until
-- then goes out again. The URL of an announcement is signed for the moment of its first claim, so that a
-- repetition has the same bytes; and anew once half of its time has passed.
create or replace function ccx.claim_upload_messages(
  batch_size integer, lease interval, url_valid interval, at timestamptz default clock_timestamp()
) returns table (
  id bigint, attempt integer, kind text, request_id text, org_id bigint, account_number text, service text,
  status text, status_msg text, noted_at timestamptz, signed_at timestamptz, principal text, category text,
  content_type text, size bigint, store text, object_key text, b64_identity text, metadata jsonb,
  received_at text, stale_at timestamptz, traceparent text
)
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  with due as materialized (
    select m.message_id
    from upload_message m
    where m.due_at <= claim_upload_messages.at
    order by m.due_at, m.message_id
    limit claim_upload_messages.batch_size
    for update skip locked
  ), claimed as (
    update upload_message m
    set attempts = m.attempts + 1,
        due_at = claim_upload_messages.at + claim_upload_messages.lease,
        signed_at = case
          when m.kind <> 'announcement' then null
          when m.signed_at > claim_upload_messages.at - claim_upload_messages.url_valid / 2 then m.signed_at
          else date_trunc('second', claim_upload_messages.at) end
    from due d
    where m.message_id = d.message_id
    returning m.*
  )
  select c.message_id, c.attempts, c.kind, c.request_id, c.org_id, c.account_number, c.service, c.status,
    c.status_msg, c.noted_at, c.signed_at, a.principal, a.category, a.content_type, a.size, a.store,
    a.object_key, a.b64_identity, a.metadata,
    to_char(a.received_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    a.stored_at + interval '30 days', a.traceparent
  from claimed c
  left join archive a on a.archive_id = c.archive_id
  order by c.message_id;
$$;

comment on function ccx.claim_upload_messages(integer, interval, interval, timestamptz) is
  'Takes announcements and statuses that are due, in their order; they are due again when the lease ends.';
