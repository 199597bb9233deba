-- The number of clusters is the planner's: counting them would read a table of a million rows.
create or replace view metrics_reports with (security_invoker = true) as
select
  (select extract(epoch from now() - max(o.stored_at)) from consumer_offset o)::double precision
    as newest_age_seconds,
  (select greatest(c.reltuples, 0) from pg_class c where c.oid = 'latest_report'::regclass)::double precision
    as clusters;

comment on view metrics_reports is
  'How fresh the stored reports are, and of how many clusters there are some.';
comment on column metrics_reports.newest_age_seconds is
  'time since a report was last stored from Kafka; absent before the first one';
comment on column metrics_reports.clusters is 'clusters with a report, as of the last analyze';
