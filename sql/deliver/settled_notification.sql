-- A type, so that the steps of settle_notifications() can hand to each other what was settled.
create type ccx.settled_notification as (
  id bigint,
  target_id integer,
  replay_of bigint,
  state text,
  unrendered jsonb,
  failure text,
  error text,
  permanent boolean,
  too_large boolean,
  retry_after_ms bigint,
  says_nothing boolean,
  doubtful jsonb
);

comment on type ccx.settled_notification is 'a message whose delivery ended, or is to be tried again';
comment on column ccx.settled_notification.id is 'the message';
comment on column ccx.settled_notification.target_id is 'its target';
comment on column ccx.settled_notification.replay_of is 'the message that it repeats; null: none';
comment on column ccx.settled_notification.state is 'what it is now: sent, pending or dead';
comment on column ccx.settled_notification.unrendered is
  'issues that were left out of it: [{issue_id, error}]';
comment on column ccx.settled_notification.failure is 'what kind of failure it was';
comment on column ccx.settled_notification.error is 'what went wrong, for people';
comment on column ccx.settled_notification.permanent is 'trying again would not help';
comment on column ccx.settled_notification.too_large is 'a smaller message might get through';
comment on column ccx.settled_notification.retry_after_ms is 'how long the receiver asked to wait';
comment on column ccx.settled_notification.says_nothing is
  'it says nothing about the receiver, which it did not reach or which is not known';
comment on column ccx.settled_notification.doubtful is
  'values that its texts lack: [{issue_id, text, place, kind, example}]';
