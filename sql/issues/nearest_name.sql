create or replace function ccx.nearest_name(name text, candidates text[]) returns text
language sql immutable parallel safe
set search_path = public, ccx, pg_temp
as $$
  select n.candidate
  from (
    select c.candidate, 2.0 * count(*) / (length(c.candidate) + length(nearest_name.name) - 2) as alike
    from unnest(candidates) c (candidate)
    cross join lateral (
      select distinct substr(lower(c.candidate), g, 2) as pair
        from generate_series(1, length(c.candidate) - 1) g
    ) p
    where length(c.candidate) > 1 and length(nearest_name.name) > 1
      and strpos(lower(nearest_name.name), p.pair) > 0
    group by c.candidate
  ) n
  where n.alike >= 0.5
  order by n.alike desc, n.candidate
  limit 1;
$$;

comment on function ccx.nearest_name(text, text[]) is
  'The candidate that has most pairs of letters in common with this name; null: none has half of them.';
