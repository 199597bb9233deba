-- A truncation leaves no row, so there the ledger has to be empty.
create or replace function ccx.tg_notified_issue__referred() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  is_named boolean;
begin
  if tg_op = 'TRUNCATE' then
    is_named := exists (select from notified_issue);
  elsif tg_table_name = 'issue' then
    is_named := exists (select from gone g join notified_issue n on n.issue_id = g.id);
  else
    is_named := exists (select from gone g join notified_issue n on n.content_id = g.id);
  end if;
  if is_named then
    raise exception 'rows of % are in the ledger', tg_table_name
      using errcode = 'foreign_key_violation', table = tg_table_name;
  end if;
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_notified_issue__referred() from public;

comment on function ccx.tg_notified_issue__referred() is
  'Trigger of issue and rule_content: what the ledger names is not deleted.';
