create or replace function ccx.end_storm(id bigint, is_released boolean, reason text, at timestamptz)
  returns storm
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  ended storm;
begin
  if length(btrim(coalesce(end_storm.reason, ''))) < 5 then
    raise exception 'say why, in at least five characters' using errcode = 'NTW01';
  end if;
  update storm s
  set ended_at = end_storm.at, released = end_storm.is_released, ended_by = ccx.person(),
    reason = end_storm.reason
  where s.id = end_storm.id and s.ended_at is null
  returning s.* into ended;
  if not found then
    raise exception 'there is no storm % that goes on', end_storm.id using errcode = 'NTW02';
  end if;
  perform request_decisions(case when is_released then 'storm released' else 'storm dropped' end,
    case when ended.rule_name is not null then array[ended.rule_name] end, at => end_storm.at);
  return ended;
end $$;

comment on function ccx.end_storm(bigint, boolean, text, timestamptz) is
  'Ends a storm, released or dropped, for this reason; its clusters are asked again. Raises NTW01, NTW02.';
