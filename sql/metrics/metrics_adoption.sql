create or replace view metrics_adoption with (security_invoker = true) as
select case when s.mode in ('adopting', 'leaving') then extract(epoch from now() - s.since)::double precision
  else 0 end as unfinished_seconds
from side_by_side s;

comment on view metrics_adoption is
  'Whether ccx adopt, or its way back, was begun and has not ended. Until it ends nothing is decided.';
comment on column metrics_adoption.unfinished_seconds is
  'time since ccx adopt, or its way back, was begun and has not ended; 0 when none is under way';
