-- With a lease, so that nobody holds a transaction open while the broker answers: what is not settled until
-- then goes out again. At most max_bytes together, unless a single message is larger.
create or replace function ccx.claim_dead_letters(
  batch_size integer,
  max_bytes bigint,
  lease interval,
  at timestamptz default now()
) returns setof rejected_message
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  with due as materialized (
    select r.id, octet_length(r.value) as bytes
    from rejected_message r
    where r.dead_letter_due_at <= claim_dead_letters.at
    order by r.dead_letter_due_at, r.id
    limit batch_size
    for update skip locked
  ), sized as (
    select d.id, sum(d.bytes) over (order by d.id) as bytes, row_number() over (order by d.id) as nth
    from due d
  )
  update rejected_message r
  set dead_letter_due_at = claim_dead_letters.at + lease
  from sized s
  where r.id = s.id and (s.nth = 1 or s.bytes is null or s.bytes <= max_bytes)
  returning r.*;
$$;

comment on function ccx.claim_dead_letters(integer, bigint, interval, timestamptz) is
  'Takes rejected messages that have to go to the dead-letter topic; they are due again when the lease ends.';
