-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table decision_due is
  'clusters that wait for a decision; whoever holds the row lock decides, so a cluster is never decided '
  'twice at once';
comment on column decision_due.org_id is 'organization that owns the cluster';
comment on column decision_due.cluster is 'the cluster';
comment on column decision_due.due_at is
  'since when it waits; in the future: until when it waits at most for the rest of backlog_of';
comment on column decision_due.by_report is
  'a new report arrived (its outcome is written to reported); false: asked again because something else '
  'changed';

comment on column decision_due.backlog_of is
  'topic/partition that held more messages when the report was stored: decided once it is caught up with, or '
  'from due_at on; null: waits for nothing';

comment on table decision_request is
  'decisions to be taken anew because something else than a report changed; clusters go from here to '
  'decision_due, so many at a time; written by decide, queue: a decision crosses off what it has expanded';
comment on column decision_request.id is 'number of the request';
comment on column decision_request.cause is 'what changed';
comment on column decision_request.rule_names is 'only clusters with issues of these rules; null: any';
comment on column decision_request.org_id is 'only this organization; null: any';
comment on column decision_request.cluster is 'only this cluster; null: any';
comment on column decision_request.silence_id is
  'only clusters with issues that this silence matches; null: any';
comment on column decision_request.due_at is 'from when on';
comment on column decision_request.after_cluster is 'clusters up to this one have been asked';
comment on column decision_request.requested_by is 'database user whose change it was';

comment on table wake_up is
  'wishes to wake a task, of transactions that have not committed yet; at commit they become jobs';
comment on column wake_up.transaction is 'the transaction that wishes';
comment on column wake_up.wished_at is 'when it wished';
comment on column wake_up.task is 'the task, as graphile-worker knows it';
comment on column wake_up.job_key is 'key of the job: while one of the same key waits, there is no second';
comment on column wake_up.job_key_mode is 'what becomes of a job of the same key that waits already';
comment on column wake_up.run_at is 'for when; null: now';

comment on table stuck_cluster is
  'clusters whose decision fails, put aside so that it goes on for all others; tried again by and by, by '
  'hand with retry_stuck(), and with their next report; a decision that succeeds takes them out';
comment on column stuck_cluster.org_id is 'organization that owns the cluster';
comment on column stuck_cluster.cluster is 'the cluster';
comment on column stuck_cluster.reason is 'why the last try failed, in the words of the database';
comment on column stuck_cluster.since is 'when the first try failed';
comment on column stuck_cluster.attempts is 'how many tries failed';
comment on column stuck_cluster.next_try_at is
  'when it is tried again; each time twice as long, up to six hours';
comment on column stuck_cluster.by_report is 'a new report waits for the decision, as in decision_due';
