-- An announcement that Kafka has is a status of its own, and so is one that was given up. What failed for a
-- reason that passes is tried again for as long as it takes.
create or replace function ccx.settle_upload_messages(outcomes jsonb,
  at timestamptz default clock_timestamp())
  returns table (sent integer, retried integer, dead integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  next_at timestamptz;
  added integer;
begin
  with settled as (
    update upload_message m
    set due_at = case when o.sent or o.permanent then null
          else settle_upload_messages.at + retry_delay(m.attempts) end,
        sent_at = case when o.sent then settle_upload_messages.at end,
        died_at = case when not o.sent and o.permanent then settle_upload_messages.at end,
        partition = o.partition,
        kafka_offset = o."offset",
        failure = case when not o.sent then o.failure end,
        error = case when not o.sent then left(o.error, 1000) end,
        attempts = m.attempts - case when o.tried then 0 else 1 end
    from jsonb_to_recordset(outcomes) as o (id bigint, attempt integer, sent boolean, permanent boolean,
      tried boolean, failure text, error text, partition integer, "offset" bigint)
    -- whoever comes after the end of his lease has nothing to say any more
    where m.message_id = o.id and m.attempts = o.attempt and m.due_at is not null
    returning m.*
  ), said as (
    insert into upload_message (
      request_id, archive_id, kind, org_id, account_number, service, status, status_msg, noted_at, due_at)
    select s.request_id, s.archive_id, 'status', s.org_id, s.account_number, 'ingress',
      case when s.sent_at is not null then 'success' else 'error' end,
      case when s.sent_at is not null then 'Sent to validation service: ' || s.service else s.error end,
      settle_upload_messages.at, settle_upload_messages.at
    from settled s
    where s.kind = 'announcement' and s.due_at is null
    order by s.message_id
    returning 1
  )
  select count(*) filter (where s.sent_at is not null), count(*) filter (where s.due_at is not null),
    count(*) filter (where s.died_at is not null), min(s.due_at), (select count(*) from said)
  into sent, retried, dead, next_at, added
  from settled s;
  if next_at is not null then
    perform wake_announcements(next_at);
  end if;
  if added > 0 then
    perform wake_announcements();
  end if;
  return next;
end $$;

comment on function ccx.settle_upload_messages(jsonb, timestamptz) is
  'Records how the sending of claimed messages ended: [{id, attempt, sent, permanent, tried, failure, error, '
  'partition, offset}]; says how many are sent, tried again, and dead.';
