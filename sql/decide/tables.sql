-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table notified_count is
  'how many clusters each decision notified, by rule and in all, for the brake; the sweep deletes what is'
  ' older than two hours; written by decide, ops';
comment on column notified_count.target_id is 'the target';
comment on column notified_count.rule_name is 'the rule; null: all rules together';
comment on column notified_count.clusters is 'how many clusters; rules that a person released do not count';
comment on column notified_count.counted_at is 'the time of the decision';

comment on table reported_elsewhere is
  'rows of reported that another program sent and whose issues are not all in the ledger yet: their content '
  'is not known, or ours runs in shadow mode; written by adopt, decide, ops';
comment on column reported_elsewhere.org_id is 'as in reported';
comment on column reported_elsewhere.cluster is 'as in reported';
comment on column reported_elsewhere.notified_at is 'as in reported';
comment on column reported_elsewhere.target_id is 'as reported.event_type_id';

comment on table storm is
  'times at which more clusters than the limit would have been notified within an hour: what went beyond '
  'it is held, until a person releases or drops it';
comment on column storm.id is 'number of the storm';
comment on column storm.target_id is 'the target';
comment on column storm.rule_name is 'the rule that is held; null: everything for this target';
comment on column storm.began_at is 'when the limit was met; decisions after that hold';
comment on column storm.cluster_limit is 'how many clusters might be notified within an hour';
comment on column storm.notified is 'how many had been notified in that hour when it began';
comment on column storm.ended_at is 'when somebody released or dropped it; null: it goes on';
comment on column storm.released is
  'true: what waited was decided anew; false: it was dropped, and stays held until the issue goes';
comment on column storm.ended_by is 'database user who did';
comment on column storm.reason is 'why';
