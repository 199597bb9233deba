-- Spacing and the window of flapping are memories of the same kind.
create or replace function ccx.longest_cooldown(at timestamptz default now()) returns interval
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select coalesce(max(greatest(p.cooldown, p.spacing, p.flapping_window)), interval '0')
  from policy p
  where upper_inf(p.validity) or upper(p.validity) > at;
$$;

comment on function ccx.longest_cooldown(timestamptz) is
  'The longest time that any policy, in force at this time or planned, looks back: cooldown, spacing, '
  'window of flapping.';
