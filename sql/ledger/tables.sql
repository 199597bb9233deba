-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table notified_issue is
  'the ledger: which issue went into which notification; two live rows for one issue and target never '
  'overlap in their cooldown; written by decide, deliver, ledger: a decision taken again leaves issues out, '
  'a split moves them';
comment on column notified_issue.notification_id is 'the message';
comment on column notified_issue.issue_id is 'the issue notified in it';
comment on column notified_issue.target_id is 'the target it was notified to';
comment on column notified_issue.notified_at is 'when it was decided; a pending message counts as notified';
comment on column notified_issue.cooldown_period is 'from notified_at until it may be notified again';
comment on column notified_issue.occurrence is 'which occurrence of the issue was notified';
comment on column notified_issue.content_id is 'version of the rule''s content that was notified';
comment on column notified_issue.policy_id is 'policy version in force at the decision';
comment on column notified_issue.resolved is 'it was notified that the issue is gone';
comment on column notified_issue.superseded_at is
  'when the issue was notified through the same target again; infinity: it was not';
comment on column notified_issue.voided is
  'when it did not count as notified, since its delivery had been given up';
comment on column notified_issue.live is
  'false: the delivery was given up, so the issue does not count as notified';
comment on column notified_issue.left_out is
  'its message goes out without it: it had been notified again when that was redriven, or it was withdrawn';
comment on column notified_issue.left_out_reasons is
  'why it was withdrawn: hold reasons, or gone, back, not_notified; null: it was not';
