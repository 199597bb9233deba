create or replace function fleet.queue(action text, arguments jsonb, at timestamptz default now())
  returns uuid
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  insert into fleet.setting (action, arguments, at)
  values (queue.action, queue.arguments, coalesce(queue.at, now()))
  returning id;
$$;

comment on function fleet.queue(text, jsonb, timestamptz) is
  'Queues a setting for every cell: a function of the cells (set_policy, add_silence and the like) and its '
  'arguments by name, from this time on. fleet.apply() brings it to a cell. Returns its number.';
