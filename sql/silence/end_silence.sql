create or replace function end_silence(id bigint, at timestamptz default now()) returns silence
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  ended silence;
  holds integer;
  open_issues integer;
begin
  perform given(end_silence.at);
  update silence s
  set ended_at = end_silence.at, ended_by = ccx.person()
  where s.id = end_silence.id and s.ended_at is null and upper(s.period) > end_silence.at
  returning s.* into ended;
  if not found then
    raise exception 'there is no silence % that is still to come or in force', end_silence.id
      using errcode = 'NTS08';
  end if;
  if lower(ended.in_force) <= end_silence.at then
    select count(*) into holds from silenced_issues(ended, end_silence.at);
    select count(*) into open_issues from issue i where i.closed_at is null;
    if concerns_many(holds, open_issues) then
      raise notice 'this silence held % of % open issues', holds, open_issues;
    end if;
  end if;
  perform request_decisions('silence ended', silence_id => ended.id, at => end_silence.at);
  return ended;
end $$;

comment on function end_silence(bigint, timestamptz) is
  'Ends a silence early; what it held is asked again. It stays on record.';
