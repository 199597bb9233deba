-- A connection that is kept may be one to a server that has gone without a word: each cell gets a new one. A
-- server that takes it and never answers is given up when the statement's time is up (statement_timeout;
-- postgres_fdw heeds no connect_timeout). The server measures that once for a statement, so cells that would
-- follow are not asked. What a person cancels here ends here; what the cell cancels is its error.
create or replace function fleet.ask(what text, only_cell text default null)
returns table (cell text, answer jsonb, error_code text, error text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
set client_min_messages = error
as $$
#variable_conflict use_column
declare
  context text;
  time_is_up boolean := false;
begin
  for cell in select c.name from fleet.cell c where c.name = coalesce(ask.only_cell, c.name)
    order by c.name loop
    answer := null;
    error_code := null;
    error := null;
    if time_is_up then
      error_code := '57014';
      error := 'not asked: the time was up';
      return next;
      continue;
    end if;
    perform postgres_fdw_disconnect('cell_' || cell);
    begin
      execute format('select coalesce(jsonb_agg(to_jsonb(t)), ''[]'') from fleet.%I t where t.cell = %L',
        ask.what, cell)
      into answer;
    exception when query_canceled or others then
      get stacked diagnostics context = pg_exception_context;
      error_code := sqlstate;
      error := sqlerrm;
      if sqlstate = '57014' and context !~ 'remote SQL command' then
        if sqlerrm !~ 'statement timeout' then
          raise;
        end if;
        time_is_up := true;
        error := 'it did not answer in time';
      end if;
    end;
    return next;
  end loop;
end $$;

comment on function fleet.ask(text, text) is
  'What each cell (or only this one) has in a table of this schema, as a JSON array of rows; where a cell '
  'does not answer, the error in place of the answer.';
