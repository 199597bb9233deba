create or replace function ccx.settle_dead_letters(
  ids bigint[],
  error text default null,
  at timestamptz default now()
) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  update rejected_message r
  set dead_letter_due_at = null,
      dead_letter_error = error,
      dead_lettered_at = case when error is null then settle_dead_letters.at end
  where r.id = any (ids);
$$;

comment on function ccx.settle_dead_letters(bigint[], text, timestamptz) is
  'Records that rejected messages are on the dead-letter topic or, with an error, that they cannot go there.';
