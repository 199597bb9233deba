-- The two that the service knows have a row from the beginning.
create or replace view metrics_registry with (security_invoker = true) as
select
  coalesce(s.source, k.source) as source,
  greatest(coalesce(extract(epoch from now() - s.failed_at), 0), 0)::double precision as failing_seconds,
  coalesce(s.refused, 0)::double precision as refused_lines,
  coalesce(greatest(floor(extract(epoch from now() - s.asked_at) / extract(epoch from s.asked_every)), 0), 0)
    ::double precision as missed_rounds
from (values ('file' collate "C"), ('http')) k (source)
full join registry_source s on s.source = k.source;

comment on view metrics_registry is 'What the registry of clusters is loaded from, and how that goes.';
comment on column metrics_registry.source is 'the source; http: CCX_REGISTRY_URL';
comment on column metrics_registry.failing_seconds is 'since when it cannot be loaded; 0: it can';
comment on column metrics_registry.refused_lines is
  'lines that the latest load left out, since they do not conform';
comment on column metrics_registry.missed_rounds is
  'how often it was to be asked since it was last asked; 0: it was asked within its interval, or has none';
