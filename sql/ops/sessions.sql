create or replace view sessions with (security_invoker = true) as
select s.pid, s.user_name, s.application_name, s.client, s.backend_type, s.state, s.state_since,
  s.transaction_since, s.statement_since, s.wait_event_type, s.wait_event,
  case when s.wait_event_type = 'Lock' then pg_blocking_pids(s.pid) else '{}' end as waits_for,
  s.prepared_as
from ccx.open_sessions() s
where s.pid <> pg_backend_pid();

comment on view sessions is
  'Who else uses this database, for how long, and who is in whose way, prepared transactions included. The '
  'texts of statements are in pg_stat_activity, for members of pg_read_all_stats.';
comment on column sessions.pid is
  'process of the server; pg_terminate_backend(pid) ends it; 0: a prepared transaction';
comment on column sessions.user_name is 'who has logged in';
comment on column sessions.application_name is 'how the program calls itself; ours begin with ccx';
comment on column sessions.client is 'address that it comes from; null: this machine, or the server itself';
comment on column sessions.backend_type is
  'client backend, prepared transaction, or a process of the server, such as autovacuum worker';
comment on column sessions.state is
  'active, idle, or idle in transaction: it holds locks and does nothing';
comment on column sessions.state_since is 'since when it is in this state';
comment on column sessions.transaction_since is
  'when its open transaction began, or was prepared; null: there is none';
comment on column sessions.statement_since is 'when its statement began, or its last one while it is idle';
comment on column sessions.wait_event_type is 'what kind of thing it waits for; Lock: for another session';
comment on column sessions.wait_event is 'what it waits for';
comment on column sessions.waits_for is 'the sessions whose locks it waits for; 0: a prepared transaction';
comment on column sessions.prepared_as is
  'the name of a prepared transaction; rollback prepared NAME ends it';
