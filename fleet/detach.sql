-- The cell need not answer for that, and notices nothing of it.
create or replace function fleet.detach(cell text) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
set client_min_messages = warning
as $$
begin
  delete from fleet.cell c where c.name = detach.cell;
  if not found then
    raise exception 'no cell "%" is attached', coalesce(detach.cell, 'null') using errcode = 'NTZ07';
  end if;
  execute format('drop schema if exists %I cascade', 'cell_' || detach.cell);
  execute format('drop server if exists %I cascade', 'cell_' || detach.cell);
  execute format('drop server if exists %I cascade', 'settings_' || detach.cell);
end $$;

comment on function fleet.detach(text) is
  'Forgets a cell, and what became of settings there; raises NTZ07 where it is not attached.';
