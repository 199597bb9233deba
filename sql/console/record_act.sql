create or replace function ccx.record_act(act text, details jsonb default '{}') returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  insert into console_act (act, details) values (record_act.act, record_act.details);
$$;

comment on function ccx.record_act(text, jsonb) is
  'Records what a person did in the console, in the same transaction.';
