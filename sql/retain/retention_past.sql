create or replace function ccx.retention_past(parent text) returns table (days integer, rows integer)
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select count(*) filter (where p.action = 'drop')::integer,
    coalesce(sum(p.row_count) filter (where p.action = 'delete'), 0)::integer
  from preview_retention() p
  where p.name = retention_past.parent or p.name like retention_past.parent || '\_%';
$$;

comment on function ccx.retention_past(text) is
  'How many days of this table retention would drop now, and how many rows it would delete; one row.';
