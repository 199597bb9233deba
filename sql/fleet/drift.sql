create or replace view fleet.drift with (security_invoker = true) as
select (select c.name from cell c) as cell,
  v.what, v.org_id, v.cluster, v.component, v.error_key, v.detail
from drift v;

comment on view fleet.drift is
  'Where what this cell keeps differs from what it recomputes: the view drift; empty unless something is '
  'wrong.';
comment on column fleet.drift.cell is 'name of the cell';
comment on column fleet.drift.what is
  'newest report, missing issue, surplus issue, history, notification, or elsewhere';
comment on column fleet.drift.org_id is 'organization that owns the cluster';
comment on column fleet.drift.cluster is 'the cluster';
comment on column fleet.drift.component is 'the rule, as reports spell it';
comment on column fleet.drift.error_key is 'which of the rule''s problems';
comment on column fleet.drift.detail is 'what differs';
