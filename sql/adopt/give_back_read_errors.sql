-- Their table wants the report that could not be read to be there.
create or replace function ccx.give_back_read_errors() returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  zone constant text := (select a.time_zone from incumbent.adoption a);
  given integer;
begin
  insert into incumbent.read_errors (org_id, cluster, updated_at, error_text, created_at)
  select n.org_id, n.cluster, n.updated_at, e.error_text, e.created_at at time zone zone
  from read_errors e
  join incumbent.new_reports n on n.org_id = e.org_id
    and n.cluster = e.cluster::character(36) collate "default"
    and n.updated_at = e.updated_at at time zone zone
  where not exists (
    select from incumbent.read_errors o
    where o.org_id = n.org_id and o.cluster = n.cluster and o.updated_at = n.updated_at
      and o.error_text = e.error_text);
  get diagnostics given = row_count;
  return given;
end $$;

comment on function ccx.give_back_read_errors() is
  'Writes the read errors that were added since the adoption to incumbent.read_errors; returns how many.';
