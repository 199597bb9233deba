create or replace view metrics_worker with (security_invoker = true) as
select
  count(*) filter (where w.seen_at > now() - interval '90 seconds')::double precision as alive,
  count(*) filter (where w.seen_at <= now() - interval '90 seconds')::double precision as silent,
  extract(epoch from now() - max(w.seen_at))::double precision as newest_heartbeat_seconds
from worker w;

comment on view metrics_worker is 'The worker processes, by their heartbeats.';
comment on column metrics_worker.alive is 'worker processes that were heard within 90 seconds';
comment on column metrics_worker.silent is 'worker processes that were not, and did not say that they end';
comment on column metrics_worker.newest_heartbeat_seconds is
  'time since any worker was heard; absent when none is known';
