-- The past keeps its answer: a version that has begun is never changed, only ended, and never before it
-- began. (A time in the past given to set_policy() does change what is said of that time: that is for
-- simulated clocks.) A version that is only planned may be deleted; tg_policy__withdrawn() makes up for it.
-- So may those of an organization that is forgotten (forget()), with all decisions that went by them.
create or replace function ccx.tg_policy__history() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  if tg_op = 'UPDATE'
    -- compiled_filter is generated: not yet there in a trigger before the update
    and to_jsonb(old) - '{validity,ended_by,end_reason,compiled_filter}'::text[]
      = to_jsonb(new) - '{validity,ended_by,end_reason,compiled_filter}'::text[]
    and lower(old.validity) = lower(new.validity)
    and (upper_inf(old.validity) or upper(old.validity) > now())
  then
    return new;
  elsif tg_op = 'DELETE' and lower(old.validity) > now() then
    return old;
  elsif tg_op = 'DELETE' and old.org_id::text = current_setting('ccx.forgotten_org', true) then
    return old;
  end if;
  raise exception 'a version of a policy is not changed or deleted: set_policy() makes a new one, '
    'end_policy() ends one'
    using errcode = 'NTP07';
end $$;

comment on function ccx.tg_policy__history() is
  'Trigger of policy: refuses whatever would change what a past decision went by.';
