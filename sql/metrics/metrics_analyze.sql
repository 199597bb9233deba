create or replace view metrics_analyze with (security_invoker = true) as
select
  w.waiting_archives,
  w.oldest_waiting_seconds,
  w.unpublished_results,
  (select count(*) from analysis a where a.state = 'dead'
    and a.ended_at > now() - interval '1 day')::double precision
    as dead_archives,
  (select count(*) from sql_rule r where r.suspended_at is null)::double precision as rules,
  (select count(*) from sql_rule r where r.suspended_at is not null)::double precision as suspended_rules
from (
  select
    count(*) filter (where a.state = 'waiting')::double precision as waiting_archives,
    count(*) filter (where a.state = 'analyzed')::double precision as unpublished_results,
    greatest(coalesce(extract(epoch from now() - min(a.received_at)), 0), 0)::double precision
      as oldest_waiting_seconds
  from analysis a
  where a.next_attempt_at is not null
) w;

comment on view metrics_analyze is 'Uploads whose rules have not run yet, and rules.';
comment on column metrics_analyze.waiting_archives is 'archives whose rules have not run yet';
comment on column metrics_analyze.oldest_waiting_seconds is
  'how long the one waits that waits longest for its result to be published; 0 when none does';
comment on column metrics_analyze.unpublished_results is 'results that are not on their topic yet';
comment on column metrics_analyze.dead_archives is
  'archives and announcements that were given up within a day (ccx analyze dead)';
comment on column metrics_analyze.rules is 'SQL rules that run';
comment on column metrics_analyze.suspended_rules is
  'SQL rules that do not run any more, since they took too long too often';
