-- A change is an insert: the version in force ends where the new one begins, and the past keeps its answer.
-- The first policy for an organization or a rule begins as a copy of the one that was in force for it until
-- then. A change that begins before a planned one lasts until that begins.
--
-- Takes no lock that a decision needs: somebody may change a policy, look at explain_diff for an hour, and
-- roll back.
create or replace function set_policy(
  target text,
  change jsonb,
  reason text,
  at timestamptz default now(),
  org_id bigint default null,
  rule text default null
) returns policy
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  wanted_target integer := target_id(set_policy.target);
  scope_rule text := rule_name(btrim(set_policy.rule, e' \t\r\n'));
  present policy;
  is_successor boolean;
  begun_at timestamptz;
  until timestamptz;
  successor policy;
  columns text;
  effect record;
begin
  if set_policy.rule like '%|%' then
    raise exception 'a policy is for a whole rule, not for one of its error keys' using errcode = 'NTP01';
  end if;
  if isfinite(set_policy.at) is not true then
    raise exception 'a policy begins at a time, not at %', coalesce(set_policy.at::text, 'null')
      using errcode = 'NTP13';
  end if;
  -- of two changes at once the second waits here, in a statement before the one that is to see what the first
  -- made
  perform lock_policies(wanted_target);

  select p.* into present
  from policy p
  where p.target_id = wanted_target
    and p.validity @> set_policy.at
    and (p.org_id is null or p.org_id = set_policy.org_id)
    and (p.rule_name is null or p.rule_name = scope_rule)
  order by p.org_id nulls last, p.rule_name nulls last
  limit 1;
  -- a narrower one may begin together with the wider one that it copies
  is_successor := present.org_id is not distinct from set_policy.org_id and present.rule_name is not distinct
    from scope_rule;
  select
    max(lower(p.validity)) filter (where lower(p.validity) <= now()
      and (lower(p.validity) > set_policy.at or is_successor and lower(p.validity) = set_policy.at)),
    min(lower(p.validity)) filter (where lower(p.validity) > greatest(now(), set_policy.at)
      and p.org_id is not distinct from set_policy.org_id and p.rule_name is not distinct from scope_rule)
  into begun_at, until
  from policy p
  where p.target_id = wanted_target
    and ((p.org_id is not distinct from set_policy.org_id and p.rule_name is not distinct from scope_rule)
      or (not is_successor
        and p.org_id is not distinct from present.org_id and p.rule_name is not distinct
          from present.rule_name));
  if begun_at is not null then
    raise exception 'the policy in force began at %, a new one has to begin later',
      begun_at using errcode = 'NTP11';
  end if;
  if is_successor and upper(present.validity) <= now() then
    raise exclusion_violation;
  end if;
  if is_successor and lower(present.validity) = set_policy.at then
    raise exception 'another policy is planned for that moment already; withdraw it first (withdraw_policy)'
      using errcode = 'NTP14';
  end if;
  successor := changed_policy(present, change, set_policy.at);
  successor.org_id := set_policy.org_id;
  successor.rule_name := scope_rule;
  successor.validity := tstzrange(set_policy.at, until);
  successor.reason := set_policy.reason;
  successor.ended_by := null;
  successor.end_reason := null;
  perform check_policy(successor);
  if is_successor then
    update policy p set validity = tstzrange(lower(p.validity), set_policy.at) where p.id = present.id;
  end if;

  -- every column but those that the table fills in itself, so that a new setting needs no change here
  select string_agg(quote_ident(a.attname), ', ') into columns
  from pg_attribute a
  where a.attrelid = 'policy'::regclass and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = '' and a.attname not in ('id', 'changed_by');
  successor.target_id := wanted_target;
  execute format('insert into policy (%1$s) select %1$s from (select ($1).*) successor returning *', columns)
  into successor
  using successor;
  select e.* into effect from policy_effect(successor.id) e;
  if effect.held + effect.released > 0 then
    raise notice 'of % open issues this policy holds % that were to be notified, and releases %',
      effect.open_issues, effect.held, effect.released;
  end if;
  perform notice_unknown_names(set_policy.org_id, null, scope_rule, null, null);
  perform request_decisions('policy changed',
    case when scope_rule is not null then array[scope_rule] end, set_policy.org_id, at => set_policy.at);
  return successor;
exception
  when exclusion_violation then
    raise exception 'there is a policy of its own at that time already, or it ended later than that'
      using errcode = 'NTP12';
end $$;

comment on function set_policy(text, jsonb, text, timestamptz, bigint, text) is
  'Changes the policy of a target from this time on, for everybody or only for an organization, a rule (any '
  'spelling) or both; for example set_policy(''service log'', ''{"enabled": true}'', ''go-live''). Clusters '
  'that report are asked again.';
