-- A temporary table, so that a rule sees one archive whatever it tries, nothing is written to the log of the
-- database, and nothing has to be cleaned up: it is emptied when the transaction ends. Values are stored as
-- they are (compressing them took a third of the time).
create or replace function ccx.open_files(paths text[], bodies text[]) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_variable
declare
  opened integer;
begin
  if to_regclass('pg_temp.files') is null then
    if to_regrole('ccx_rules') is null then
      perform prepare_rules();
    end if;
    create temp table files (path text collate "C" not null, document jsonb, body text) on commit delete rows;
    alter table pg_temp.files alter column document set storage external,
      alter column body set storage external;
    grant select on pg_temp.files to ccx_rules;
  else
    delete from pg_temp.files;
  end if;
  begin
    insert into pg_temp.files (path, document, body)
    select u.path,
      case when u.path like '%.json' then u.body::jsonb end,
      case when u.path not like '%.json' then u.body end
    from unnest(open_files.paths, open_files.bodies) u (path, body);
  exception when data_exception or statement_too_complex then
    -- one of them is no JSON, or nested so deeply that PostgreSQL cannot even say so: those stay texts. To
    -- ask of each first whether it is JSON reads all of them twice.
    for n in 1 .. cardinality(open_files.paths) loop
      declare
        body text := open_files.bodies[n];
        document jsonb;
      begin
        if open_files.paths[n] like '%.json' and pg_input_is_valid(body, 'jsonb') then
          document := body::jsonb;
          body := null;
        end if;
        insert into pg_temp.files (path, document, body) values (open_files.paths[n], document, body);
      exception when statement_too_complex then
        insert into pg_temp.files (path, body) values (open_files.paths[n], open_files.bodies[n]);
      end;
    end loop;
  end;
  select count(*) into opened from pg_temp.files;
  return opened;
end $$;

comment on function ccx.open_files(text[], text[]) is
  'Fills the temporary table files, which rules read: documents where a .json file is JSON, else texts.';
