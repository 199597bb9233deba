create or replace function open_archive(archive_id bigint) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  opened integer;
begin
  if not exists (select from kept_archive k where k.id = open_archive.archive_id) then
    raise exception 'no archive with the number % is kept', open_archive.archive_id
      using errcode = 'NTY05', hint = 'select * from kept_archive';
  end if;
  perform open_files('{}', '{}');
  insert into pg_temp.files (path, document, body)
  select d.path, d.document, d.body
  from archive_document d
  where d.archive_id = open_archive.archive_id;
  get diagnostics opened = row_count;
  return opened;
end $$;

comment on function open_archive(bigint) is
  'Puts the documents of a kept archive into the temporary table files, until the transaction ends: begin; '
  'select open_archive(1); select … from files; returns how many there are.';
