-- A cursor is planned for its first rows unless cursor_tuple_fraction says that all are wanted, and
-- postgres_fdw asks through cursors. Sessions can only read, wait for nobody for long, and do not stay open
-- in a transaction, since that would keep vacuum from its work in the cell. Settings go another way, as
-- another user.
create or replace function fleet.attach(
  cell text,
  host text,
  port integer,
  dbname text,
  login text,
  password text default null,
  settings_login text default null,
  settings_password text default null
) returns fleet.cell
language plpgsql volatile
set search_path = public, ccx, pg_temp
set client_min_messages = warning
as $$
declare
  attached fleet.cell;
  found_there record;
  other record;
  way record;
begin
  if attach.cell is null or attach.cell !~ '^[a-z0-9][a-z0-9_-]{0,30}$' then
    raise exception 'a cell needs a name of at most 31 small letters, digits, "-" and "_"'
      using errcode = 'NTZ01';
  end if;
  lock table fleet.cell in share row exclusive mode;
  execute format('drop schema if exists %I cascade', 'cell_' || attach.cell);
  for way in
    select w.server, w.login, w.password, w.limits, w.local_user
    from (values
      ('cell_', attach.login, attach.password,
        '-c cursor_tuple_fraction=1 -c default_transaction_read_only=on -c statement_timeout=300s', 'public'),
      ('settings_', attach.settings_login, attach.settings_password, '-c statement_timeout=60s',
        quote_ident(current_user))
    ) as w (server, login, password, limits, local_user)
  loop
    execute format('drop server if exists %I cascade', way.server || attach.cell);
    continue when way.login is null;
    execute format('create server %I foreign data wrapper postgres_fdw options (host %L, port %L, dbname %L, '
      'tcp_user_timeout ''2000'', application_name ''ccx fleet'', fetch_size ''10000'', '
      'async_capable ''true'', options %L)',
      way.server || attach.cell, attach.host, attach.port::text, attach.dbname,
      way.limits || ' -c lock_timeout=2s -c idle_in_transaction_session_timeout=60s');
    execute format('create user mapping for %s server %I options (user %L %s)', way.local_user,
      way.server || attach.cell, way.login,
      case
        when way.password is not null then format(', password %L', way.password)
        -- trust, peer and certificates: only superusers may do without a password
        when current_setting('is_superuser')::boolean then ', password_required ''false'''
        else ''
      end);
  end loop;
  insert into fleet.cell as c (name, host, port, dbname, login, settings_login, buckets)
  values (attach.cell, attach.host, attach.port, attach.dbname, attach.login, attach.settings_login, '{}')
  on conflict (name) do update
  set host = excluded.host, port = excluded.port, dbname = excluded.dbname, login = excluded.login,
    settings_login = excluded.settings_login, attached_at = now(), attached_by = session_user;
  perform fleet.complete();

  execute format('select s.cell, s.buckets from %I.cell_state s', 'cell_' || attach.cell) into found_there;
  if found_there.cell is distinct from attach.cell then
    raise exception 'that database is the cell "%", not "%"', found_there.cell, attach.cell
      using errcode = 'NTZ08';
  end if;
  select c.name, c.buckets * found_there.buckets as buckets into other
  from fleet.cell c
  where c.name <> attach.cell and c.buckets && found_there.buckets
  order by c.name
  limit 1;
  if found then
    raise exception 'the buckets % belong to the cell "%", too', other.buckets, other.name
      using errcode = 'NTZ09', hint = 'After a split, attach that cell again, or detach it.';
  end if;
  update fleet.cell c set buckets = found_there.buckets where c.name = attach.cell
    returning c.* into attached;
  return attached;
end $$;

comment on function fleet.attach(text, text, integer, text, text, text, text, text) is
  'Makes a cell known, or known anew after a move or a split: where its database is, who asks there and (not '
  'null) who applies settings. Raises NTZ01, NTZ08 and NTZ09.';
