-- Some of the views are simple enough for PostgreSQL to pass a change on to latest_report, where nothing
-- would look at it: issues and decisions would not follow.
create or replace function ccx.tg_aggregator__refuse_change() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  raise exception 'aggregator.% is a view: it takes inserts, but no %', tg_table_name, lower(tg_op)
    using errcode = 'NTV07', hint = case tg_op
      when 'DELETE' then 'forget() removes a cluster everywhere; what a newer report lacks goes by itself'
      else 'insert the row as it is to be: the newest one counts' end;
end $$;

comment on function ccx.tg_aggregator__refuse_change() is
  'Trigger of the views of the schema aggregator: refuses update and delete with NTV07.';
