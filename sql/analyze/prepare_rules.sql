-- Rules run as a role that owns nothing but their functions and may read nothing but `files`: each is
-- `security definer`, owned by ccx_rules, so that it cannot become anybody else (PostgreSQL refuses a change
-- of the role inside of it). Roles belong to the server, not to the database, so this is done whenever rules
-- are loaded; a user that may not create roles learns whom to ask.
create or replace function ccx.prepare_rules() returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  advice constant text := format(
    'as a superuser: create role ccx_rules nologin; grant ccx_rules to %I', current_user);
begin
  if to_regrole('ccx_rules') is null then
    begin
      execute 'create role ccx_rules nologin';
    exception
      when insufficient_privilege then
        raise exception 'the role ccx_rules, as which rules run, is missing, and % may not create it',
          current_user
          using errcode = 'NTY01', hint = advice;
      when duplicate_object or unique_violation then
        null; -- another database of this server was quicker
    end;
  end if;
  if not pg_has_role(current_user, 'ccx_rules', 'set') then
    begin
      execute format('grant ccx_rules to %I with inherit false, set true', current_user);
    exception when insufficient_privilege then
      raise exception '% is no member of the role ccx_rules, as which rules run', current_user
        using errcode = 'NTY01', hint = advice;
    end;
  end if;
  if to_regnamespace('rules') is null then
    create schema rules;
    comment on schema rules is 'the rules of ccx analyze: each is one function';
  end if;
  grant usage on schema rules to public;
end $$;

comment on function ccx.prepare_rules() is
  'Creates the role ccx_rules and the schema rules where they are missing; raises NTY01 when the user may '
  'not.';
