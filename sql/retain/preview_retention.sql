-- With the rights of the owner, since no role reads a day but through its table.
create or replace function preview_retention(at timestamptz default now())
returns table (action text, name text, row_count bigint, bytes bigint, older_than timestamptz, held_by text)
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  kept record;
begin
  perform given(preview_retention.at);
  return query
  select 'drop', p.name, p.rows, p.bytes,
    case when p.is_attached then retention_horizon(p.parent, at) end,
    case when p.is_attached then partition_held_by(p.parent, p.day, at) end
  from partitions p
  where not p.is_attached or p.day < (retention_horizon(p.parent, at) at time zone 'UTC')::date
  order by p.day, p.name;

  for kept in
    select r.parent, retention_horizon(r.parent, at) as horizon, t.name
    from retention r
    cross join lateral (
      select case when r.parent in ('new_reports', 'reported') then r.parent || '_default' else r.parent end
        as name) t
    order by r.parent = 'latest_report', r.parent
  loop
    name := kept.name;
    older_than := kept.horizon;
    action := 'delete';
    bytes := null;
    held_by := null;
    execute format('select count(*) from (%s) past', past_rows(kept.name)) into row_count
      using at, kept.horizon;
    if row_count > 0 then
      return next;
    end if;
  end loop;
end $$;
revoke execute on function preview_retention(timestamptz) from public;

comment on function preview_retention(timestamptz) is
  'What retain() would drop or delete at this time, and what holds the rest: days with the rows of their '
  'last analyze, single rows counted. More may follow once these are gone.';
