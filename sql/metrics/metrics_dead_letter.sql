create or replace view metrics_dead_letter with (security_invoker = true) as
select
  count(*)::double precision as waiting_messages,
  greatest(coalesce(extract(epoch from now() - min(r.dead_letter_due_at)), 0), 0)::double precision
    as oldest_waiting_seconds
from rejected_message r
where r.dead_letter_due_at <= now();

comment on view metrics_dead_letter is
  'Rejected messages that are still to be written to the dead-letter topic.';
comment on column metrics_dead_letter.waiting_messages is
  'rejected messages that are to go to the dead-letter topic; without one they wait for ever';
comment on column metrics_dead_letter.oldest_waiting_seconds is
  'how long the one waits that waits longest; 0 when none does';
