create or replace function redrive_analyses(analysis_ids bigint[], at timestamptz default clock_timestamp())
returns table (analysis_id bigint, refusal text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  perform given(redrive_analyses.at);
  if analysis_ids is null then
    raise exception 'a redrive names its analyses, as in dead_analysis' using errcode = 'NTY04';
  end if;
  return query
  with asked as (
    select distinct u.id from unnest(analysis_ids) u (id) where u.id is not null
  ), again as (
    update analysis a
    set state = 'waiting', attempts = 0, interruptions = 0, next_attempt_at = redrive_analyses.at,
      ended_at = null, failure = null, error = null, redriven_at = redrive_analyses.at,
      cluster = case when a.vouched then a.cluster end
    from asked
    where a.id = asked.id and a.state = 'dead' and a.url is not null
    returning a.id
  )
  select asked.id, case
      when again.id is not null then null
      when a.id is null then 'there is no analysis of that number'
      when a.state <> 'dead' then 'it is not dead'
      else 'its announcement does not conform' end
  from asked
  left join again on again.id = asked.id
  left join analysis a on a.id = asked.id
  order by asked.id;
end $$;

comment on function redrive_analyses(bigint[], timestamptz) is
  'Has dead analyses (dead_analysis) tried again, from the download on. Returns a row for each, with why it '
  'was refused.';
