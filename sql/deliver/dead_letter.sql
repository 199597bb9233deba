create or replace view dead_letter with (security_invoker = true) as
select
  n.id as notification_id,
  t.name as target,
  n.message_id,
  n.org_id,
  n.cluster,
  (select count(*) from notified_issue i where i.notification_id = n.id and not i.left_out) as issues,
  n.failure,
  n.last_error,
  n.attempts,
  n.decided_at,
  n.first_tried_at,
  n.ended_at,
  refusal.text is null as redrivable,
  refusal.text as refusal,
  n.replay_of
from notification n
join event_targets t on t.id = n.target_id
cross join lateral (select redrive_refusal(n, now()) as text offset 0) refusal
where n.state = 'dead';

comment on view dead_letter is
  'Messages that were given up, why, and whether they can be redriven: select * from redrive(array(select '
  'notification_id from dead_letter where …)).';
comment on column dead_letter.notification_id is 'number of the message';
comment on column dead_letter.target is 'where it was to go';
comment on column dead_letter.message_id is 'id the receiver would have seen';
comment on column dead_letter.org_id is 'organization that was to be notified';
comment on column dead_letter.cluster is 'cluster it is about';
comment on column dead_letter.issues is 'how many issues it names';
comment on column dead_letter.failure is 'what kind of failure ended it';
comment on column dead_letter.last_error is 'what went wrong, for people';
comment on column dead_letter.attempts is 'how many times it was handed to a worker';
comment on column dead_letter.decided_at is 'when it was decided';
comment on column dead_letter.first_tried_at is
  'when it may first have gone out; null: it certainly never did';
comment on column dead_letter.ended_at is 'when it was given up';
comment on column dead_letter.redrivable is 'it can be redriven now, under the same id';
comment on column dead_letter.refusal is 'why it cannot';
comment on column dead_letter.replay_of is 'the message that it repeated; null: none';
