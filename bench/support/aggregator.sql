-- The aggregator's schema, as far as its answers need it, filled with what our tables have.
create schema aggregator_bench;
set local search_path = aggregator_bench, public;

create table report_of (
  org_id integer not null, cluster varchar not null unique, report varchar not null, reported_at timestamp,
  last_checked_at timestamp, kafka_offset bigint not null default 0, gathered_at timestamp,
  primary key (org_id, cluster));
create table rule_hit (
  org_id integer not null, cluster_id varchar not null, rule_fqdn varchar not null, error_key varchar not null,
  template_data varchar not null, created_at timestamp,
  primary key (cluster_id, org_id, rule_fqdn, error_key));
create table recommendation (
  org_id integer not null, cluster_id varchar not null, rule_fqdn text not null, error_key varchar not null,
  rule_id varchar not null, created_at timestamp, impacted_since timestamp,
  primary key (org_id, cluster_id, rule_fqdn, error_key));
create table report_info (
  org_id integer not null, cluster_id varchar not null unique, version_info varchar not null,
  primary key (org_id, cluster_id));

insert into report_of (org_id, cluster, report, reported_at, last_checked_at)
select l.org_id, l.cluster, r.report, l.received_at, l.updated_at
from latest_report l
join new_reports r on r.org_id = l.org_id and r.cluster = l.cluster and r.updated_at = l.updated_at;
insert into rule_hit
select i.org_id, i.cluster, r.component, r.error_key, jsonb_build_object('error_key', r.error_key), i.opened_at
from issue i
join rule r on r.id = i.rule_id
where i.closed_at is null;
insert into recommendation
select i.org_id, i.cluster, ccx.rule_module(r.component), r.error_key,
  ccx.rule_module(r.component) || '|' || r.error_key, i.opened_at, i.opened_at
from issue i
join rule r on r.id = i.rule_id
where i.closed_at is null;
insert into report_info select l.org_id, l.cluster, '4.17.3' from latest_report l;
