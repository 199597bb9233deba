-- What keeps the service running. sweep() runs every minute: it gives up what expired, makes tomorrow's
-- partitions, asks for new decisions where time alone changed the answer, and wakes whoever has work.
-- heartbeat() notes in worker that a process lives and frees the jobs of those that died. The view drift
-- recomputes from the stored reports what the triggers keep up to date, and is empty unless something is
-- wrong.

--!include ops/tables.sql
--!include ops/drift.sql
--!include ops/heartbeat.sql
--!include ops/sweep.sql
