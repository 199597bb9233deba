create or replace function ccx.lock_policies(target_id integer) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select pg_advisory_xact_lock(hashtextextended('policies of target', lock_policies.target_id));
$$;

comment on function ccx.lock_policies(integer) is
  'Lets changes to the policies of a target take turns, until the transaction ends; decisions do not wait '
  'for it.';
