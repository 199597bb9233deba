-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table notified_issue is
  'the ledger: which issue went into which notification; two live rows for one issue and target never '
  'overlap in their cooldown';
comment on column notified_issue.notification_id is 'the message';
comment on column notified_issue.issue_id is 'the issue told in it';
comment on column notified_issue.target_id is 'the target it was told to';
comment on column notified_issue.told_at is 'when it was decided; a pending message counts as told';
comment on column notified_issue.cooldown_period is 'from told_at until it may be told again';
comment on column notified_issue.occurrence is 'which occurrence of the issue was told';
comment on column notified_issue.content_id is 'version of the rule''s content that was told';
comment on column notified_issue.policy_id is 'policy version in force at the decision';
comment on column notified_issue.resolved is 'it was told that the issue is gone';
comment on column notified_issue.superseded_at is
  'when the issue was told to the same target again; infinity: it was not';
comment on column notified_issue.voided is
  'when it did not count as told, since its delivery had been given up';
comment on column notified_issue.live is
  'false: the delivery was given up, so the issue does not count as told';
comment on column notified_issue.left_out is
  'its message was redriven without it, since it had been told again';
