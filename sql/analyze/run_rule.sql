-- One rule on what is in `files`. Whatever it does besides returning hits is taken back, and whatever it
-- raises is its own failure; only a statement that takes too long ends the call (57014).
--
-- A hit is one error key with details, an object. Details of more than 65,535 characters are left out, as the
-- Python engine does it.
create or replace function ccx.run_rule(name text, out hits jsonb, out reason text, out detail text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  most_hits constant integer := 10;
  most_characters constant integer := 65535;
  most_bytes constant integer := 4 * 1024 * 1024;
  hit record;
  found integer := 0;
  characters integer;
begin
  hits := '[]';
  begin
    -- in the select list a function is asked row by row, so that a million rows are not even made
    for hit in execute format(
      'select (h).error_key as key, (h).details as details '
      'from (select rules.%I() as h offset 0) one limit %s',
      run_rule.name, most_hits + 1)
    loop
      found := found + 1;
      if found > most_hits then
        reason := 'too_many_rows';
        detail := format('it returned more than %s rows', most_hits);
      elsif hit.key is null then
        reason := 'no_key';
        detail := 'it returned a row without error_key';
      elsif hit.key !~ '^[A-Z0-9]+(_[A-Z0-9]+)+$' or length(hit.key) > 200 then
        reason := 'bad_key';
        detail := format('the error key %L is not written like THIS_ONE', left(hit.key, 100));
      elsif hits @> jsonb_build_array(jsonb_build_object('key', hit.key)) then
        reason := 'duplicate_key';
        detail := format('it returned the error key %s twice', hit.key);
      elsif jsonb_typeof(hit.details) <> 'object' then
        reason := 'bad_details';
        detail := format('the details of %s are no object', hit.key);
      elsif pg_column_size(hit.details) > most_bytes then
        reason := 'details_too_large';
        detail := format('the details of %s take more than %s bytes', hit.key, most_bytes);
      else
        characters := length(hit.details::text);
        hits := hits || jsonb_build_object('key', hit.key, 'details', case
          when characters > most_characters then jsonb_build_object('max_detail_length_error', characters)
          else coalesce(hit.details, '{}') end);
      end if;
      exit when reason is not null;
    end loop;
    raise exception 'take back' using errcode = 'NTY99';
  exception
    when sqlstate 'NTY99' then null;
    when others then
      reason := 'raised';
      detail := left(sqlerrm, 500);
  end;
  if reason is not null then
    hits := '[]';
  end if;
end $$;

comment on function ccx.run_rule(text) is
  'Runs one rule on the table files: its hits as [{key, details}], or why it failed; leaves nothing behind.';
