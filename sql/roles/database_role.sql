-- The timeouts are what a person meets who logs in with such a role, and the last resort for a program: the
-- service sets shorter ones for each kind of work (CCX_…_TIMEOUT_MS).
create or replace view ccx.database_role with (security_invoker = true) as
select r.name, r.purpose, r.statement_timeout, r.lock_timeout, r.idle_timeout
from (values
  ('ccx_owner', 'owns all tables and functions; for migrations only', '0', '5s', '5min'),
  ('ccx_ingest', 'takes in reports, uploads and announcements (ccx consume, serve, analyze)', '5min', '30s',
    '1min'),
  ('ccx_decide', 'decides; sweeps, retention, content and rejected messages (ccx work)', '5min', '30s',
    '1min'),
  ('ccx_deliver', 'claims and settles messages (ccx work)', '5min', '30s', '1min'),
  ('ccx_operator', 'policies, silences, acknowledgements, redrive, replay', '5min', '5s', '1min'),
  ('ccx_reader', 'asks questions about the organizations that organization_reader names', '1min', '2s',
    '1min'),
  ('ccx_metrics', 'reads what is measured (views metrics_*, status, doctor)', '10s', '1s', '10s'),
  ('ccx_results', 'answers about the organization of the setting ccx.organization (ccx serve)', '10s', '2s',
    '10s'),
  ('ccx_console',
    'reads for people at the console, where the setting names one only of that organization (ccx serve)',
    '1min', '3s', '1min')
) as r (name, purpose, statement_timeout, lock_timeout, idle_timeout);

comment on view ccx.database_role is 'The roles of the database, what each is for, and its timeouts.';
comment on column ccx.database_role.name is 'name of the role';
comment on column ccx.database_role.purpose is 'what it is for';
comment on column ccx.database_role.statement_timeout is 'how long a statement may take; 0: for ever';
comment on column ccx.database_role.lock_timeout is 'how long it may wait for a lock';
comment on column ccx.database_role.idle_timeout is 'how long a transaction may do nothing';
