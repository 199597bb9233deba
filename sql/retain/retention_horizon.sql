create or replace function ccx.retention_horizon(parent text, at timestamptz default now())
  returns timestamptz
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select (date_trunc('day', at at time zone 'UTC' - case
      -- what decisions remember: kept as long as said, and for a decision of that time its whole memory
      when r.parent in ('notification', 'occurrence', 'render_failure') then r.keep + longest_cooldown(at)
      when r.parent in ('new_reports', 'reported', 'latest_report')
        then greatest(r.keep, longest_cooldown(at))
      else r.keep
    end)) at time zone 'UTC'
  from retention r
  where r.parent = retention_horizon.parent;
$$;

comment on function ccx.retention_horizon(text, timestamptz) is
  'The beginning of the oldest day (UTC) that a table keeps: what retention says, but never less than '
  'decisions look back.';
