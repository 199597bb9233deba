create or replace view metrics_upload with (security_invoker = true) as
select
  k.kind,
  w.waiting::double precision as waiting_messages,
  greatest(coalesce(extract(epoch from now() - w.oldest), 0), 0)::double precision as oldest_waiting_seconds,
  (
    select count(*) from upload_message m
    where m.kind = k.kind and m.died_at > now() - interval '1 day'
  )::double precision as dead_messages
from (values ('announcement'), ('status')) k (kind)
cross join lateral (
  select count(*) as waiting, min(m.noted_at) as oldest
  from upload_message m
  where m.kind = k.kind and m.due_at is not null
) w;

comment on view metrics_upload is
  'The outbox of uploads: announcements of archives, and statuses, that wait to be sent or were given up.';
comment on column metrics_upload.kind is 'announcement or status';
comment on column metrics_upload.waiting_messages is
  'messages that Kafka does not have yet, and that are not given up';
comment on column metrics_upload.oldest_waiting_seconds is
  'how long the one waits that waits longest; 0 when none does';
comment on column metrics_upload.dead_messages is 'messages that were given up within a day';
