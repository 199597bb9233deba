-- Only planned versions can be deleted (tg_policy__history). The version before it goes on as if nothing had
-- been planned.
create or replace function ccx.tg_policy__withdrawn() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  -- of an organization that is forgotten
  if lower(old.validity) <= now() then
    return null;
  end if;
  insert into withdrawn_policy (policy, planned_by, reason)
  values (to_jsonb(old), old.changed_by, nullif(current_setting('ccx.reason', true), ''));
  update policy p
  set validity = tstzrange(lower(p.validity), upper(old.validity))
  where p.target_id = old.target_id
    and p.org_id is not distinct from old.org_id
    and p.rule_name is not distinct from old.rule_name
    and upper(p.validity) = lower(old.validity)
    -- one that a person ended had ended anyway
    and p.ended_by is null;
  return null;
end $$;

comment on function ccx.tg_policy__withdrawn() is
  'Trigger of policy: keeps a planned version that is deleted in withdrawn_policy, and lets the one before '
  'it go on.';
