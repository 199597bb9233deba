create or replace function ccx.set_schema_version(version text, out before integer, out after integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  wanted constant text := btrim(version);
begin
  if coalesce(wanted !~ '^(latest|[0-8])$', true) then
    raise exception 'there is no version "%": the versions are 0 to 8 and latest', version
      using errcode = 'NTM03';
  end if;
  lock table migration_info in share row exclusive mode;
  before := schema_version();
  after := case wanted when 'latest' then 8 else wanted::integer end;
  if before is distinct from after then
    delete from migration_info;
    insert into migration_info (version) values (after);
  end if;
end $$;

comment on function ccx.set_schema_version(text) is
  'Notes this version (0 to 8, or latest) in migration_info, so that it has one row; no table changes and '
  'nothing is lost. Raises NTM03 for anything else.';
