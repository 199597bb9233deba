create or replace function ccx.redrive_refusal(n notification, at timestamptz) returns text
language sql stable parallel safe
return case
  when n.state <> 'dead' then 'it is not dead'
  when n.replay_of is not null then 'it is a replay: replay the message that it repeats once more'
  when exists (select from notification again where again.replay_of = n.id and again.state <> 'dead')
    then 'it has been replayed'
  when n.first_tried_at <= at - redrive_horizon()
    then 'the receiver may have forgotten its id, and would take it for a new message: replay it'
  when not exists (
    select from notified_issue i where i.notification_id = n.id and not i.left_out
      and not notified_elsewhere(i))
    then 'all its issues have been notified since'
end;

comment on function ccx.redrive_refusal(notification, timestamptz) is
  'Why a message cannot be redriven at this time; null: it can.';
