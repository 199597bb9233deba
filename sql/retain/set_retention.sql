create or replace function set_retention(parent text, keep interval) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  past_before record;
  past record;
begin
  if (set_retention.keep between interval '1 day' and interval '100 years') is not true then
    raise exception 'a retention has to be from 1 day to 100 years, not %',
      coalesce(set_retention.keep::text, 'null')
      using errcode = 'NTR03';
  end if;
  if set_retention.parent in ('new_reports', 'reported', 'latest_report')
    and set_retention.keep < longest_cooldown() then
    raise exception 'a retention of % is shorter than the longest cooldown, %', set_retention.keep,
      longest_cooldown()
      using errcode = 'NTR02',
        hint = 'Decisions have to remember what was notified for that long: shorten the cooldown first.';
  end if;
  select * into past_before from retention_past(set_retention.parent);
  update retention r
  set keep = set_retention.keep, changed_by = ccx.person(), changed_at = now()
  where r.parent = set_retention.parent;
  if not found then
    raise exception 'retention knows no table %; it knows: %', coalesce(set_retention.parent, 'null'),
      (select string_agg(r.parent, ', ' order by r.parent) from retention r)
      using errcode = 'NTR01';
  end if;
  select * into past from retention_past(set_retention.parent);
  if past.days > past_before.days or past.rows > past_before.rows then
    raise notice 'by that % days and % rows of % are past, and will be dropped', past.days, past.rows,
      set_retention.parent;
  end if;
end $$;

comment on function set_retention(text, interval) is
  'Says how long a table keeps its rows; raises NTR02 for days of reports kept for less than the longest '
  'cooldown.';
