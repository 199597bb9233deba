-- A UUID is the same in upper and lower case. The aggregator's tables, silences and policies are compared
-- with the lower one, so that is what is stored, whoever writes. The condition of the trigger is all that a
-- report in lower case costs.
create or replace function ccx.tg_new_reports__spelling() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
begin
  new.cluster := lower(new.cluster);
  return new;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_new_reports__spelling() from public;

comment on function ccx.tg_new_reports__spelling() is
  'Trigger of new_reports: stores the name of a cluster in lower case.';
