-- What is derived from a report follows a new report, not the disappearance of one: it could not know what
-- was before. So that drift stays empty, the three things that people do by hand are refused: another time,
-- another cluster, and the newest report away while older ones stay. All reports of a cluster may go, as
-- retention does it: then what was known last stays.
create or replace function ccx.tg_new_reports__kept() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
begin
  if tg_op = 'UPDATE' then
    raise exception 'a report keeps its organization, cluster and time: insert another one'
      using errcode = 'NTI03';
  end if;
  if exists (
    select from gone g
    join latest_report l on l.org_id = g.org_id and l.cluster = g.cluster and l.updated_at = g.updated_at
    where exists (
      select from new_reports n
      where n.org_id = g.org_id and n.cluster = g.cluster and n.updated_at < g.updated_at)) then
    raise exception 'the newest report of a cluster cannot be deleted while older ones stay'
      using errcode = 'NTI04';
  end if;
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_new_reports__kept() from public;

comment on function ccx.tg_new_reports__kept() is
  'Trigger of new_reports: refuses another key (NTI03), and to delete the newest report of a cluster while '
  'older ones stay (NTI04).';
