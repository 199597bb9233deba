create or replace function fleet.status(only_cell text default null)
returns table (cell text, state text, release text, buckets int4multirange, attention text[], detail text)
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  with named as (
    select array_agg(concat_ws('.', 'fleet', t.relname, a.attname) order by t.relname, a.attnum) as columns
    from pg_class t
    join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    where t.relnamespace = 'fleet'::regnamespace and t.relkind = 'p' and t.relname <> 'applied'
  ), asked as (
    select a.cell, a.error_code, a.error, s.release, s.buckets, s.attention, s.cell is not null as is_known,
      array(select unnest(n.columns) except select unnest(s.columns) order by 1) as lacks,
      s.buckets is distinct from c.buckets as has_changed
    from fleet.ask('cell_state', status.only_cell) a
    join fleet.cell c on c.name = a.cell
    cross join named n
    left join lateral jsonb_populate_record(null::fleet.cell_state, a.answer -> 0) s on true
  )
  select a.cell,
    case
      when a.error_code like '08%' or a.error_code like '57%' then 'away'
      when a.error is not null or not a.is_known then 'failed'
      when cardinality(a.attention) > 0 or cardinality(a.lacks) > 0 or a.has_changed then 'attention'
      else 'ok'
    end,
    a.release, a.buckets, a.attention,
    case
      when a.error is not null then split_part(a.error, E'\n', 1)
      when not a.is_known then 'that database is another cell now'
      else nullif(concat_ws('; ',
        case when a.has_changed then 'its buckets have changed: attach it again' end,
        case when cardinality(a.lacks) > 0
          then 'its release is older and lacks ' || array_to_string(a.lacks, ', ') end), '')
    end
  from asked a
  order by a.cell;
$$;

comment on function fleet.status(text) is
  'How each cell (or only this one) is: ok, attention (what its own status wants somebody to look at, or '
  'detail says), failed, or away. With a statement_timeout of 2 s a cell that does not answer is named '
  'within that time.';
