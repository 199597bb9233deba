create or replace function target_id(target text) returns integer
language plpgsql stable parallel safe
set search_path = public, ccx, pg_temp
as $$
declare
  id integer := (select t.id from event_targets t where t.name = target_id.target);
begin
  if id is null then
    raise exception 'there is no target "%"; the targets are: %', target_id.target,
      (select string_agg(t.name, ', ' order by t.id) from event_targets t)
      using errcode = 'NTG01';
  end if;
  return id;
end $$;

comment on function target_id(text) is
  'The number of a target by its name; an error that lists the names when there is none.';
