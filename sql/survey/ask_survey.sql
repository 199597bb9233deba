-- Every part is cut along whole organizations, so that clusters and organizations are counted once; the first
-- and the last part are open to their sides. Parts of decisions are as large as what decide_due() takes at
-- once, twice over: look-ups by index, whose cost does not grow with the fleet. The others read whole tables,
-- so there are sixteen of them at most.
create or replace function ask_survey(
  kind text, arguments jsonb default '{}', at_most_old interval default '1 hour',
  part_clusters integer default null, scheduled boolean default false
) returns bigint
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  wanted jsonb := coalesce(ask_survey.arguments, '{}');
  asked bigint;
  fleet bigint;
begin
  if part_clusters < 1 then
    raise exception 'a part has at least one cluster, not %', part_clusters using errcode = 'NTE03';
  elsif ask_survey.kind is null or ask_survey.kind not in ('decisions', 'noise', 'backtest') then
    raise exception 'there is no survey of the kind "%", only decisions, noise and backtest', ask_survey.kind
      using errcode = 'NTE03';
  elsif ask_survey.kind = 'backtest' then
    wanted := jsonb_strip_nulls(jsonb_build_object(
      'target', wanted -> 'target',
      'from', (wanted ->> 'from')::timestamptz,
      'to', least((wanted ->> 'to')::timestamptz, date_trunc('minute', clock_timestamp())),
      'policy', wanted -> 'policy',
      'org_id', wanted -> 'org_id'));
    perform check_backtest(
      wanted ->> 'target', (wanted ->> 'from')::timestamptz, (wanted ->> 'to')::timestamptz,
      wanted -> 'policy', (wanted ->> 'org_id')::bigint);
  elsif wanted <> '{}' then
    raise exception 'a survey of the kind % takes no arguments', ask_survey.kind using errcode = 'NTE03';
  end if;

  -- two who ask the same at once are given the same survey
  perform pg_advisory_xact_lock(hashtextextended('ask_survey', 0));
  select s.id into asked
  from survey s
  where s.kind = ask_survey.kind and s.arguments = wanted and s.given_up_at is null
    and s.at >= clock_timestamp() - ask_survey.at_most_old
  order by s.at desc
  limit 1;
  if found then
    return asked;
  end if;

  insert into survey (kind, arguments, is_scheduled)
  values (ask_survey.kind, wanted, ask_survey.scheduled)
  returning id into asked;
  select count(*) into fleet from latest_report l where l.left_at is null;
  insert into survey_part (survey_id, part, first_org, last_org, clusters)
  select asked, row_number() over (order by c.first_org),
    case when lag(c.first_org) over (order by c.first_org) is null then -9223372036854775808
      else c.first_org end,
    coalesce(lead(c.first_org) over (order by c.first_org) - 1, 9223372036854775807),
    c.clusters
  from (
    select min(o.org_id) as first_org, sum(o.clusters) as clusters
    from (
      select l.org_id, count(*) as clusters,
        (sum(count(*)) over (order by l.org_id) - count(*))::bigint
          / coalesce(part_clusters,
            case ask_survey.kind when 'decisions' then 2000 else greatest(5000, fleet / 16) end) as nth
      from latest_report l
      where l.left_at is null
      group by l.org_id) o
    group by o.nth
    union all
    select 0, 0 where fleet = 0) c;
  perform wake_up('survey', 'survey');
  return asked;
end $$;

comment on function ask_survey(text, jsonb, interval, integer, boolean) is
  'Asks about the whole fleet, for workers to answer in parts: decisions, noise, or backtest (arguments '
  'target, from, to, policy, org_id). Returns its number in surveys, or that of the same question, if it is '
  'at most so old.';
