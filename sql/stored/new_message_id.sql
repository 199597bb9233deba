-- The first 48 bits are milliseconds since 1970, so that ids made one after the other lie beside each other
-- in their index: of fifteen million random ones, each new one is somewhere that is not in memory. 74 random
-- bits of each millisecond are left. The version stays 4, since notifications-backend does not know a
-- repeated id by any other.
create or replace function ccx.new_message_id() returns uuid
language sql volatile parallel safe
return encode(
  overlay(
    uuid_send(gen_random_uuid())
    placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
    from 1 for 6),
  'hex')::uuid;

comment on function ccx.new_message_id() is
  'An id for a message (notification.message_id): a UUID of version 4 that begins with the time, in '
  'milliseconds.';
