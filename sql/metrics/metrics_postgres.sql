create or replace view metrics_postgres with (security_invoker = true) as
select
  coalesce(max(extract(epoch from now() - s.transaction_since))
    filter (where s.backend_type in ('client backend', 'prepared transaction')), 0)::double precision
    as oldest_transaction_seconds,
  coalesce(max(extract(epoch from now() - s.state_since))
    filter (where s.state like 'idle in transaction%'), 0)::double precision
    as oldest_idle_transaction_seconds,
  count(*) filter (where s.wait_event_type = 'Lock')::double precision as sessions_waiting_for_lock,
  count(*) filter (where s.backend_type = 'client backend')::double precision as sessions,
  current_setting('max_connections')::double precision as max_sessions,
  pg_database_size(current_database())::double precision as database_size_bytes,
  (select age(d.datfrozenxid) from pg_database d where d.datname = current_database())::double precision
    as transaction_id_age,
  count(*) filter (where s.backend_type = 'prepared transaction')::double precision as prepared_transactions
from ccx.open_sessions() s
where s.pid <> pg_backend_pid();

comment on view metrics_postgres is
  'The server, as far as it can hold us up: sessions, transactions, and size.';
comment on column metrics_postgres.oldest_transaction_seconds is
  'how long the transaction is open, or prepared, that is so longest; it keeps vacuum from removing rows';
comment on column metrics_postgres.oldest_idle_transaction_seconds is
  'how long the session does nothing inside a transaction that does so longest, or a transaction is prepared';
comment on column metrics_postgres.sessions_waiting_for_lock is 'sessions that wait for a lock';
comment on column metrics_postgres.sessions is 'connections to this database';
comment on column metrics_postgres.max_sessions is
  'most connections that the server allows, to all databases together';
comment on column metrics_postgres.database_size_bytes is 'size of the database';
comment on column metrics_postgres.transaction_id_age is
  'transactions since the oldest that is not frozen; at 2 billion the server stops';
comment on column metrics_postgres.prepared_transactions is
  'transactions that are prepared for a commit in two phases; the service itself prepares none';
