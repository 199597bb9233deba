create or replace function ccx.due_rejected(batch_size integer, at timestamptz default now()) returns bigint[]
language sql stable parallel safe
set search_path = public, ccx, pg_temp
as $$
  select coalesce(array_agg(d.id), '{}')
  from (
    select r.id
    from rejected_message r
    where r.retry_due_at <= due_rejected.at and r.stored_at is null
    order by r.retry_due_at
    limit batch_size
  ) d;
$$;

comment on function ccx.due_rejected(integer, timestamptz) is
  'Numbers of up to batch_size rejected messages whose time to be tried again by the service has come.';
