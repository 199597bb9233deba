create or replace function ccx.redrive_summary(notification_ids bigint[])
returns table (target text, refusal text, messages integer, issues integer, left_out integer)
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select coalesce(r.target, '') as target, r.refusal, count(*)::integer, sum(r.issues)::integer,
    sum(r.left_out)::integer
  from redrive(notification_ids) r
  group by r.target, r.refusal
  order by r.target, r.refusal nulls first;
$$;

comment on function ccx.redrive_summary(bigint[]) is
  'redrive(), counted by target and refusal (null: they were redriven).';
