-- Settings keep their order within a cell. One that the cell refuses is marked and the next one follows;
-- where the cell is away or busy, this and the following ones wait for the next run. The cell notes what it
-- has applied in the same transaction, so whoever is killed here, or applies at the same time, does no harm.
create or replace function fleet.apply(cell text)
returns table (setting_id uuid, action text, state text, error text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
set client_min_messages = error
as $$
#variable_conflict use_column
declare
  next_one fleet.setting;
begin
  perform from fleet.cell c where c.name = apply.cell for update skip locked;
  if not found then
    perform from fleet.cell c where c.name = apply.cell;
    if not found then
      raise exception 'no cell "%" is attached', coalesce(apply.cell, 'null') using errcode = 'NTZ07';
    end if;
    return; -- somebody else applies there
  end if;
  for next_one in
    select s.*
    from fleet.setting s
    where not exists (
      select from fleet.outcome o
      where o.setting_id = s.id and o.cell = apply.cell and o.state <> 'waiting')
    order by s.position
  loop
    setting_id := next_one.id;
    action := next_one.action;
    state := 'applied';
    error := null;
    begin
      insert into fleet.applied (cell, setting_id, action, arguments, at, queued_by)
      values (apply.cell, next_one.id, next_one.action, next_one.arguments, next_one.at, next_one.queued_by)
      on conflict do nothing;
    exception when others then
      state := case when sqlstate ~ '^(NT(?!Z11)|22|23|P0)' then 'refused' else 'waiting' end;
      error := split_part(sqlerrm, E'\n', 1);
    end;
    insert into fleet.outcome as o (setting_id, cell, state, tried_at, error)
    values (next_one.id, apply.cell, state, clock_timestamp(), error)
    on conflict (setting_id, cell) do update
    set state = excluded.state, tried_at = excluded.tried_at, error = excluded.error;
    return next;
    exit when state = 'waiting';
  end loop;
end $$;

comment on function fleet.apply(text) is
  'Brings a cell the settings that it has not got yet, in their order, and returns what became of each; '
  'raises NTZ07. Nothing while somebody else does the same.';
