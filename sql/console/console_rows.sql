-- Names of relations and columns come from console_list and the catalog, never from the person; values are
-- written as literals of the column's type. Rows without a value in the sorted column come last either way.
create or replace function ccx.console_rows(
  list text, filters jsonb, sort text, descending boolean, after text[], row_limit integer
) returns table (shown_row jsonb)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  shown ccx.console_list;
  conditions text[] := '{}';
  name text;
  wanted text;
  filter_type text;
  sort_type text;
  key_columns text;
  key_after text;
  direction text := case when descending then 'desc' else 'asc' end;
  beyond text := case when descending then '<' else '>' end;
  age interval;
  narrowed text[];
  found_rows bigint;
begin
  select l.* into shown from console_list l where l.name = console_rows.list;
  if not found then
    raise exception 'the console has no table "%"', console_rows.list using errcode = 'NTH01';
  end if;
  if shown.name = 'new' and not filters ?| '{org_id,cluster,rule}' and fleet_is_surveyed() then
    shown.relation := 'ccx.recent_decision';
  end if;
  for name, wanted in select f.key, f.value from jsonb_each_text(filters) f loop
    if not (name = any (shown.filters) or name in ('from', 'to') and shown.time_column is not null) then
      raise exception '%: this table cannot be narrowed by it, only by %', name,
        array_to_string(shown.filters || case when shown.time_column is not null then '{from,to}'::text[] end,
          ', ')
        using errcode = 'NTH02', column = name;
    end if;
    select case when t.typcategory = 'A' then format_type(t.typelem, null) else format_type(t.oid, null) end
    into filter_type
    from pg_attribute a
    join pg_type t on t.oid = a.atttypid
    where a.attrelid = shown.relation::regclass and a.attname = name;
    begin
      -- refused here, where it is known which one it is
      execute format('select %L::%s', wanted, coalesce(filter_type, 'text'));
      conditions := conditions || case
        when name = 'from' then format('%I >= %L', shown.time_column, wanted::timestamptz)
        when name = 'to' then format('%I < %L', shown.time_column, wanted::timestamptz)
        when name = 'rule' then (
          select format('%s = rule_name(%L)',
            case when a.attname = 'component' then 'rule_name(component)' else 'rule_name' end, btrim(wanted))
            || case when wanted like '%|%' and e.attname is not null
              then format(' and error_key = %L', split_part(btrim(wanted), '|', 2)) else '' end
          from pg_attribute a
          left join pg_attribute e on e.attrelid = a.attrelid and e.attname = 'error_key'
          where a.attrelid = shown.relation::regclass and a.attname in ('component', 'rule_name'))
        when name = 'cluster' then format('cluster = lower(%L)', btrim(wanted))
        when name = 'org_id' then format('org_id = %L', btrim(wanted)::bigint)
        else (
          select case when t.typcategory = 'A' then format('%L = any (%I)', wanted, a.attname)
            else format('%I = %L', a.attname, wanted) end
          from pg_attribute a
          join pg_type t on t.oid = a.atttypid
          where a.attrelid = shown.relation::regclass and a.attname = name)
      end;
    exception when data_exception then
      raise exception '%: %', name, sqlerrm using errcode = 'NTH03', column = name;
    end;
  end loop;

  select format_type(a.atttypid, a.atttypmod) into sort_type
  from pg_attribute a
  where a.attrelid = shown.relation::regclass and a.attname = console_rows.sort and a.attnum > 0
    and not a.attisdropped;
  if not found then
    raise exception 'sort: the table has no column "%"', console_rows.sort
      using errcode = 'NTH04', column = 'sort';
  end if;
  select string_agg(format('%I', k.key), ', ' order by k.position),
    string_agg(format('%L::%s', after[k.position + 1], format_type(a.atttypid, a.atttypmod)), ', '
      order by k.position)
  into key_columns, key_after
  from unnest(shown.keys) with ordinality k (key, position)
  join pg_attribute a on a.attrelid = shown.relation::regclass and a.attname = k.key;
  if cardinality(after) <> cardinality(shown.keys) + 1 then
    raise exception 'after: it does not name a row of this table' using errcode = 'NTH05';
  elsif after is not null then
    conditions := conditions || case
      when after[1] is null then format('%I is null and (%s) > (%s)', sort, key_columns, key_after)
      else format('(%I %s %L::%s or %1$I is null or %1$I = %3$L::%4$s and (%5$s) > (%6$s))', sort, beyond,
        after[1], sort_type, key_columns, key_after)
    end;
  end if;
  begin
    if shown.name = 'notified' and sort = shown.time_column and descending
        and not filters ?| '{org_id,cluster,from}' then
      -- a million clusters write two rows each in two hours, and no index has them in this order: the newest
      -- are among those of a minute, or of ten, which are found by their time
      foreach age in array '{1 minute,10 minutes,2 hours,1 day}'::interval[] loop
        narrowed := conditions || format('%I >= %L', shown.time_column,
          coalesce(after[1]::timestamptz, (filters ->> 'to')::timestamptz, now()) - age);
        execute format('select count(*) from (select from %s where %s limit %s) r', shown.relation,
          array_to_string(narrowed, ' and '), row_limit) into found_rows;
        if found_rows >= row_limit then
          conditions := narrowed;
          exit;
        end if;
      end loop;
    end if;
    return query execute format('select to_jsonb(r) from %s r %s order by %I %s nulls last, %s limit %s',
      shown.relation, coalesce('where ' || nullif(array_to_string(conditions, ' and '), ''), ''), sort,
      direction, key_columns, row_limit);
  exception when data_exception then
    raise exception 'the table cannot be read: %', sqlerrm using errcode = 'NTH03';
  end;
end $$;

comment on function ccx.console_rows(text, jsonb, text, boolean, text[], integer) is
  'A page of a table of the console: narrowed, sorted by a column and the keys, after the row whose sorted '
  'value and keys are given (null: from the start).';
