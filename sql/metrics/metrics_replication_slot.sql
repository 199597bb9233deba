-- A slot that nobody reads keeps WAL until the disk is full. On a standby the position is the one it has
-- received.
create or replace view metrics_replication_slot with (security_invoker = true) as
select
  s.slot_name::text as slot,
  s.active::integer::double precision as active,
  coalesce(pg_wal_lsn_diff(
    case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
    s.restart_lsn), 0)::double precision as retained_bytes
from pg_replication_slots s
where s.database is null or s.database = current_database();

comment on view metrics_replication_slot is
  'The replication slots, and how much WAL each keeps on the disk; empty when there is none.';
comment on column metrics_replication_slot.slot is 'name of the slot';
comment on column metrics_replication_slot.active is '1 while somebody reads from it, else 0';
comment on column metrics_replication_slot.retained_bytes is 'WAL that the server keeps for it';
