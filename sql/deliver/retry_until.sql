-- Counted from the first try that may have reached the receiver, which is the message's own timestamp: the
-- receiver counts its day from there. What waited behind an open circuit, or was certainly not stored, has
-- all its time still before it. A person may ask for one more hour; a try takes minutes, so the day is never
-- reached.
create or replace function ccx.retry_until(n notification) returns timestamptz
language sql stable parallel safe
return n.first_tried_at + case when n.redriven_at is null then retry_horizon() else redrive_horizon() end;

comment on function ccx.retry_until(notification) is
  'When a message is given up if nothing gets through until then; null: it was not tried yet.';
