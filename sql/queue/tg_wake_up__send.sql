-- The first of a transaction's wishes that fires sends all of them, in the order of their keys: two
-- transactions that wake the same tasks wait for each other, never in a circle. Of several wishes with one
-- key the last counts, as it would for add_job().
create or replace function ccx.tg_wake_up__send() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  wish wake_up;
begin
  for wish in
    with taken as (
      delete from wake_up w where w.transaction = new.transaction returning w.*
    )
    select distinct on (t.job_key) t.* from taken t order by t.job_key, t.wished_at desc
  loop
    perform graphile_worker.add_job(wish.task, run_at := wish.run_at, job_key := wish.job_key,
      job_key_mode := wish.job_key_mode);
  end loop;
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_wake_up__send() from public;

comment on function ccx.tg_wake_up__send() is
  'Trigger of wake_up: turns the wishes of the transaction into jobs at commit, so that the rows of the jobs '
  'are locked for that moment only.';
