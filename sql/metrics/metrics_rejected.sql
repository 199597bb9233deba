-- The reasons are those that the table allows, so that each has a row from the start.
create or replace view metrics_rejected with (security_invoker = true) as
select
  k.reason,
  count(r.id)::double precision as last_hour_messages
from (
  select m[1] as reason
  from pg_constraint o
  cross join lateral regexp_matches(pg_get_constraintdef(o.oid), '''(\w+)''::text', 'g') m
  where o.conname = 'rejected_message_reason_check' and o.conrelid = 'rejected_message'::regclass
) k
left join rejected_message r on r.reason = k.reason and r.received_at > now() - interval '1 hour'
group by k.reason;

comment on view metrics_rejected is 'Messages that did not conform, within the last hour.';
comment on column metrics_rejected.reason is 'why they were rejected';
comment on column metrics_rejected.last_hour_messages is 'messages rejected within the last hour';
