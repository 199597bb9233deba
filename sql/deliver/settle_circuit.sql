-- Closed: everything is claimed. It opens when five different messages in a row found the receiver down (so
-- one that the receiver chokes on never opens it alone), or at once when the receiver asks for time. Open:
-- nothing is claimed until retry_at, then a few messages by one worker (claim_notifications). Half-open: if
-- one of them gets through it closes, even after others of them failed (they may be settled one by one); else
-- it stays open, longer each time. A failure of what was claimed before it opened counts as no probe. A
-- message that is refused counts as a failure, too: what refuses everybody is no receiver.
--
-- Before retry_at nothing else closes it: what was under way when the receiver asked for time may well
-- succeed. When it asks during the probe, the probe is over, and the rest of it is such a message, too.
create or replace function ccx.settle_circuit(
  target_id integer, alive bigint[], failed bigint[], limited bigint[], limited_until timestamptz,
    failure text, error text,
  at timestamptz
) returns text
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  c circuit;
  was_open boolean;
  half_open boolean;
  probe_failed boolean;
begin
  -- nearly always: a read and no more
  if limited is null and (alive is not null or failed is null) and not exists (
    select from circuit k
    where k.target_id = settle_circuit.target_id
      and case when alive is not null then k.opened_at is not null
        or k.failures > 0 else k.probe_until is not null end)
  then
    return null;
  end if;

  insert into circuit (target_id) values (settle_circuit.target_id) on conflict do nothing;
  select * into c from circuit k where k.target_id = settle_circuit.target_id for update;
  was_open := c.opened_at is not null;
  half_open := was_open and c.retry_at <= at;
  probe_failed := half_open and c.probe_until is not null and (failed || limited) && c.probe_messages;

  if limited is null and failed is null and alive is null then
    -- nothing of the probe was notified by the receiver, or not yet: who waits for it need not wait for its
    -- lease
    if not exists (
      select from notification n where n.id = any (c.probe_messages) and n.leased_until is not null)
    then
      c.probe_until := null;
    end if;
  elsif limited is not null or alive is null then
    c.failures := c.failures + 1;
    c.last_failure := settle_circuit.failure;
    c.last_error := settle_circuit.error;
    c.last_failed_at := at;
    c.failed_messages := array(
      select distinct m from unnest(c.failed_messages || failed) m order by m limit 5);
    if probe_failed then
      c.failed_probes := c.failed_probes + 1;
      c.probe_until := null;
    end if;
    if limited is not null then
      c.probe_until := null;
      c.probe_messages := '{}';
    end if;
    if limited is not null or probe_failed or (not was_open and cardinality(c.failed_messages) >= 5) then
      c.opened_at := coalesce(c.opened_at, at);
      c.retry_at := greatest(limited_until, at + circuit_delay(c.failed_probes), case when not half_open
        then c.retry_at end);
    end if;
  elsif not was_open then
    c.failures := 0;
    c.failed_messages := '{}';
  elsif half_open or alive && c.probe_messages then
    perform close_circuit(t.name) from event_targets t where t.id = settle_circuit.target_id;
    return 'closed';
  end if;

  update circuit k
  set failures = c.failures, failed_messages = c.failed_messages, failed_probes = c.failed_probes,
      opened_at = c.opened_at, retry_at = c.retry_at, probe_until = c.probe_until,
        probe_messages = c.probe_messages,
      last_failure = c.last_failure, last_error = c.last_error, last_failed_at = c.last_failed_at
  where k.target_id = settle_circuit.target_id;

  if was_open or c.opened_at is null then
    return null;
  end if;
  perform announce('circuit', jsonb_build_object(
    'target', (select t.name from event_targets t where t.id = settle_circuit.target_id),
    'state', 'open',
    'failure', c.last_failure));
  return 'opened';
end $$;

comment on function ccx.settle_circuit(integer, bigint[], bigint[], bigint[], timestamptz, text, text,
  timestamptz) is
  'Notes what messages (null: none) say about the receiver of a target: that it lives, is down, or asks for '
  'time, and until when. Returns opened or closed when that changed its circuit.';
