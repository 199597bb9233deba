-- A rule that is slow by itself is slow among others that are not. Where most are too slow on one archive,
-- the machine or the database is overloaded, and a result without all their hits would end the issues that
-- they report. One rule that is the only one, or one of two, is its own fault.
create or replace function ccx.is_overload(late integer, rules integer) returns boolean
language sql immutable
set search_path = public, ccx, pg_temp
as $$
  select late > 1 and 2 * late > rules;
$$;

comment on function ccx.is_overload(integer, integer) is
  'True where so many of the rules of an engine took too long on one archive that no rule is to blame: more '
  'than one, and more than half.';
