-- A service that acts for people says who they are in the setting ccx.person. The user of the database stands
-- beside the name, since whoever has a session of his own may set what he likes.
create or replace function ccx.person() returns text
language sql stable parallel safe
return case
  when coalesce(current_setting('ccx.person', true), '') = '' then session_user::text
  else current_setting('ccx.person', true) || ' (' || session_user || ')'
end;

comment on function ccx.person() is
  'Who acts: the database user; behind the console the name of the person, with the database user in '
  'brackets.';
