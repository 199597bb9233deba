-- Live and not durable: for people who watch (`ccx tail`), never for work. One channel; NOTIFY at commit
-- costs nothing extra here, since these transactions notify the job queue anyway.
create or replace function ccx.announce(event text, details jsonb) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select pg_notify('ccx_events',
    jsonb_build_object('event', event, 'at', clock_timestamp(), 'details', details)::text);
$$;

comment on function ccx.announce(text, jsonb) is
  'Sends {event, at, details} to whoever listens on the channel ccx_events, when the transaction commits.';
