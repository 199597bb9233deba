create or replace view registry_sources with (security_invoker = true) as
select s.source, coalesce(g.clusters, 0) as clusters, s.loaded_at, s.loaded_by, s.refused, s.problems,
  s.failed_at, s.failure, s.asked_at, s.asked_every
from registry_source s
left join (
  select r.source, count(*)::integer as clusters from cluster_registry r
    where r.source is not null group by r.source
) g on g.source = s.source;

comment on view registry_sources is
  'What the registry of clusters is filled from, and how the last load went.';
comment on column registry_sources.source is 'its name';
comment on column registry_sources.clusters is 'how many clusters are from there';
comment on column registry_sources.loaded_at is 'when it was last loaded; null: never';
comment on column registry_sources.loaded_by is 'by whom';
comment on column registry_sources.refused is 'how many lines were left out then';
comment on column registry_sources.problems is 'what is wrong with the first 100 of them';
comment on column registry_sources.failed_at is 'since when it cannot be loaded; null: it can';
comment on column registry_sources.failure is 'why it cannot';
comment on column registry_sources.asked_at is
  'when it was last asked, or read from a file, whatever came of it; null: never';
comment on column registry_sources.asked_every is
  'how often somebody means to ask it; null: nobody said that he would';
