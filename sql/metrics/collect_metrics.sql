-- A view is a group of metrics: its columns of type text are labels, every other column is a metric, and the
-- comment on that column is its help. What cannot be read (no privilege, a lock) is missing, and its view is
-- named in ccx_scrape_view_failed: the others are wanted all the same, then more than ever.
create or replace function ccx.collect_metrics()
returns table (name text, help text, labels jsonb, value double precision)
language plpgsql stable
set search_path = public, ccx, pg_temp
set lock_timeout = '500ms'
as $$
declare
  view_oid oid;
  view_name text;
begin
  for view_oid, view_name in
    select c.oid, c.relname
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'v' and c.relname like 'metrics\_%'
    order by c.relname
  loop
    name := 'ccx_scrape_view_failed';
    help := '1 when the view could not be read, so that its metrics are missing';
    labels := jsonb_build_object('view', view_name);
    value := 0;
    begin
      return query execute format($query$
        with sample as materialized (select to_jsonb(v) as fields from public.%I v)
        select 'ccx_' || substr($2, length('metrics_') + 1) || '_' || a.attname,
          col_description(a.attrelid, a.attnum),
          (
            select coalesce(jsonb_object_agg(l.attname, s.fields ->> l.attname), '{}')
            from pg_attribute l
            where l.attrelid = $1 and l.attnum > 0 and l.atttypid = 'text'::regtype
          ),
          (s.fields ->> a.attname)::double precision
        from sample s
        join pg_attribute a on a.attrelid = $1 and a.attnum > 0 and a.atttypid <> 'text'::regtype
        where s.fields ->> a.attname is not null
        order by a.attnum
      $query$, view_name) using view_oid, view_name;
    exception
      when insufficient_privilege or lock_not_available or undefined_table or undefined_function then
        value := 1;
    end;
    return next;
  end loop;
end $$;

comment on function ccx.collect_metrics() is
  'All that the views metrics_* have, one row for each sample: its name for Prometheus, what it means, its '
  'labels and its value. A view that cannot be read does not keep the others away.';
