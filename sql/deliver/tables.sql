-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table states is 'states for each row stored in reported table';
comment on column states.id is 'number used in reported.state';
comment on column states.value is 'name of the state: sent, same, lower, error';
comment on column states.comment is 'what the state means';

comment on table notification_types is 'list of all notification types used by Notification service';
comment on column notification_types.id is 'number used in reported.notification_type';
comment on column notification_types.value is 'name of the type; everything here is instant';
comment on column notification_types.frequency is 'how often, in cron form, as the existing tools expect it';
comment on column notification_types.comment is 'what the type means';

comment on table severity is 'what each target calls a total risk';
comment on column severity.target_id is 'the target';
comment on column severity.total_risk is 'total risk of a rule, 1 to 4';
comment on column severity.name is 'its name there';

comment on table notification is
  'the outbox: one row for each message to send; stays when it is sent, as the record of it; written by '
  'compat, decide, deliver: a decision queues it in its own transaction, deliveries move it on';
comment on column notification.id is 'number of the message';
comment on column notification.message_id is
  'id the receiver sees, the same on every try, so that it can drop a repeated one';
comment on column notification.target_id is 'where it goes';
comment on column notification.org_id is 'organization that is notified';
comment on column notification.account_number is 'account number of that organization, 0 when unknown';
comment on column notification.cluster is 'cluster it is about';
comment on column notification.updated_at is 'time of the report it was decided from';
comment on column notification.decided_at is 'when it was decided';
comment on column notification.resolved is 'it notifies of issues that are gone';
comment on column notification.replay_of is
  'the message that it repeats under an id of its own; null: it is none of that kind';
comment on column notification.state is
  'pending, sent, dead (given up, with the reason in failure and last_error), or withdrawn (nothing of it '
  'was left to notify when it could go out; notified_issue.left_out_reasons)';
comment on column notification.attempts is 'how many times it was handed to a worker';
comment on column notification.first_tried_at is
  'when it was first handed to a worker that may have sent it: the message''s own timestamp, from which '
  'receivers remember its id for a day';
comment on column notification.next_attempt_at is
  'when it may be tried (again); while a worker has it, the end of its lease';
comment on column notification.leased_until is 'a worker has it until then; null: nobody has it';
comment on column notification.ended_at is 'when it was sent or given up';
comment on column notification.failure is 'what kind of failure the last one was';
comment on column notification.last_error is 'what went wrong the last time, for people';
comment on column notification.result is
  'what the receiver answered: partition and offset, or the id of the Service Log entry';
comment on column notification.redriven_at is 'when a person last put it back after it had been given up';
comment on column notification.attempts_before is 'attempts before it was redriven; the back-off starts anew';
comment on column notification.may_be_out is
  'an earlier try may have reached the receiver, so that id and bytes stay as they were';
comment on column notification.traceparent is
  'the trace of the report that it was decided on (W3C Trace Context); null: none is known';

comment on table reported is
  'notifications reported to user or skipped due to some conditions; written by compat, decide, deliver: a '
  'decision that notifies nobody is over at once, any other when its delivery ends';
comment on column reported.org_id is 'organization that owns the cluster';
comment on column reported.account_number is 'account number, 0 when unknown';
comment on column reported.cluster is 'the cluster';
comment on column reported.notification_type is 'always 1, instant';
comment on column reported.state is
  '1 sent, 2 same (held back), 3 lower (nothing qualifies by policy), 4 error (delivery given up)';
comment on column reported.report is 'the report for sent and error, empty for same and lower';
comment on column reported.updated_at is 'time of the report';
comment on column reported.notified_at is 'when it was decided';
comment on column reported.error_log is 'what went wrong, empty when nothing did';
comment on column reported.event_type_id is 'the target';

comment on table side_by_side is 'how ours lives with the service before it on this database, one row';
comment on column side_by_side.only_row is 'always true';
comment on column side_by_side.mode is
  'together: what either one notifies starts the cooldowns of both; shadow: ours decides and sends '
  'elsewhere, and neither knows of the other; adopting, leaving: nothing is decided';
comment on column side_by_side.since is 'since when; what was decided before counts as it did';
comment on column side_by_side.changed_by is 'database user who chose it';

comment on table reported_default is
  'decisions of days that have no partition';

comment on table circuit is
  'whether a target is sent to: closed, or open since its receiver is down or asked for time; the view '
  'delivery_circuit explains it; written by decide, deliver: of a probe that is withdrawn nothing is left';
comment on column circuit.target_id is 'the target';
comment on column circuit.failures is 'how many settlements in a row said that the receiver is down';
comment on column circuit.failed_messages is
  'which messages those were, as many as it takes to open the circuit: one that fails again and again '
  'counts once';
comment on column circuit.opened_at is 'since when it is open; null: closed';
comment on column circuit.retry_at is 'nothing is claimed before; then a few messages, as a probe';
comment on column circuit.probe_until is 'a worker has the probe; the end of its lease';
comment on column circuit.probe_messages is 'the messages of that probe';
comment on column circuit.failed_probes is 'how many probes failed since it opened';
comment on column circuit.last_failure is 'kind of the last failure';
comment on column circuit.last_error is 'what went wrong then, for people';
comment on column circuit.last_failed_at is 'when that was';

comment on table render_failure is
  'issues whose texts could not be rendered, or do not fit into a message alone; they are held for a day, '
  'or until the content changes or the issue comes back';
comment on column render_failure.issue_id is 'the issue';
comment on column render_failure.target_id is 'the target it was rendered for';
comment on column render_failure.content_id is 'the content version with the templates';
comment on column render_failure.occurrence is 'which occurrence of the issue';
comment on column render_failure.failed_at is 'when';
comment on column render_failure.error is 'which template failed, and how';
comment on column render_failure.held_period is
  'until when this occurrence is held for it, unless the content changes';

comment on table doubtful_text is
  'values that texts lacked when they were rendered, by place of the template; doubtful_texts shows those in '
  'force; written by deliver, fleet, retain (which forget an example)';
comment on column doubtful_text.content_id is 'version of the content';
comment on column doubtful_text.target_id is 'the target';
comment on column doubtful_text.text_name is 'which of its texts';
comment on column doubtful_text.place is 'what stands between the braces of the tag';
comment on column doubtful_text.kind is
  'what the value was: missing, null, object, list, function, not_a_number; link: no address for a link';
comment on column doubtful_text.since is 'when that was first';
comment on column doubtful_text.last_at is 'when it last was';
comment on column doubtful_text.times is 'in how many messages';
comment on column doubtful_text.example_cluster is 'the cluster of the last one';
comment on column doubtful_text.example is 'the value of the last one, as far as there was one';
