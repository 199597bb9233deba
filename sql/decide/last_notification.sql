-- A type, so that decide_due() can hold in a variable whose cooldowns may have changed.
create type ccx.last_notification as (
  issue_id bigint,
  target_id integer,
  policy_id bigint,
  notified_at timestamptz
);

comment on type ccx.last_notification is
  'when an issue was last notified, and the policy in force for it now';
comment on column ccx.last_notification.issue_id is 'the issue';
comment on column ccx.last_notification.target_id is 'the target';
comment on column ccx.last_notification.policy_id is 'policy version that decided now';
comment on column ccx.last_notification.notified_at is 'when it was last notified';
