-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table sweep_mark is 'how far the sweep has come';
comment on column sweep_mark.only_row is 'keeps this table at one row';
comment on column sweep_mark.cooldowns_until is 'cooldowns that ended before this have been asked again';
comment on column sweep_mark.reporting_clusters is
  'clusters that had reported in the day before they were counted; storm_share is a share of them';
comment on column sweep_mark.counted_at is 'when they were counted';

comment on table worker is
  'the worker processes; each says every 15 seconds that it lives, and is dead after 90 seconds of silence; '
  'the next one that lives, or retention, takes its row away';
comment on column worker.pool_id is 'what graphile-worker calls it; its jobs have this in locked_by';
comment on column worker.host is 'machine or pod that it runs on';
comment on column worker.pid is 'number of its process there';
comment on column worker.roles is 'what the process does: work, or consume and work';
comment on column worker.version is 'version of the service';
comment on column worker.started_at is 'when it was first heard';
comment on column worker.unbroken_since is
  'since when it has been heard without a break; only after 90 seconds of that it may take others for dead';
comment on column worker.seen_at is 'when it was last heard';

comment on table busy_hour is
  'what came and went in each hour of the last two days, as sweeps counted it; of the whole fleet';
comment on column busy_hour.hour is 'when the hour begins (UTC)';
comment on column busy_hour.reports is 'clusters whose newest report arrived in it, when they were counted';
comment on column busy_hour.notified is 'messages decided in it';
comment on column busy_hour.skipped is 'reports of which nothing was notified';
