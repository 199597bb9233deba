-- What two foreign keys would do, once for each statement: they took 7 to 17 % of what it costs to notify,
-- since each of them looks up and locks row by row. The locks are theirs: whoever deletes an issue or a
-- version of content waits for us, and we for him. In order, so that two transactions do not wait for each
-- other in a circle. With the rights of the owner, as theirs, since a lock takes the right to update.
create or replace function ccx.tg_notified_issue__refers() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
set enable_seqscan = off
as $$
declare
  issues bigint[];
  contents bigint[];
  found_issues integer;
  found_contents integer;
begin
  if tg_level = 'ROW' then
    issues := array[new.issue_id];
    contents := array[new.content_id];
  else
    select array_agg(distinct c.issue_id), array_agg(distinct c.content_id) into issues, contents
    from changed c;
  end if;
  perform from issue i where i.id = any (issues) order by i.id for key share;
  get diagnostics found_issues = row_count;
  perform from rule_content c where c.id = any (contents) order by c.id for key share;
  get diagnostics found_contents = row_count;
  if found_issues < cardinality(issues) or found_contents < cardinality(contents) then
    raise exception 'the ledger names an issue or a version of content that does not exist'
      using errcode = 'foreign_key_violation';
  end if;
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_notified_issue__refers() from public;

comment on function ccx.tg_notified_issue__refers() is
  'Trigger of notified_issue: every issue and version of content that it names exists, and stays while it '
  'does (tg_notified_issue__referred()).';
