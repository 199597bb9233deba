-- Times are without a zone, in UTC, as the aggregator keeps them. Who writes here sends no message, so what
-- he writes is looked at as a message would be (tg_report__stored()).
create or replace view aggregator.report with (security_invoker = true) as
select l.org_id, l.cluster, coalesce(newest_report(l.org_id, l.cluster), '') as report,
  l.received_at at time zone 'UTC' as reported_at, l.updated_at at time zone 'UTC' as last_checked_at,
  0::bigint as kafka_offset, l.gathered_at at time zone 'UTC' as gathered_at
from latest_report l
where l.left_at is null;

comment on view aggregator.report is
  'The newest report of each cluster in the form of the aggregator''s table; an insert counts as a message '
  'does.';
comment on column aggregator.report.org_id is 'organization that owns the cluster';
comment on column aggregator.report.cluster is 'the cluster, in lower case';
comment on column aggregator.report.report is 'what is stored of the report, as JSON; empty: its day is gone';
comment on column aggregator.report.reported_at is 'when it was received, in UTC';
comment on column aggregator.report.last_checked_at is 'the time of the report, in UTC';
comment on column aggregator.report.kafka_offset is 'always 0, as in the aggregator''s table';
comment on column aggregator.report.gathered_at is 'when the cluster gathered it, in UTC';
