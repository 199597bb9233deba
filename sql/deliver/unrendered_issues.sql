create or replace function ccx.unrendered_issues(settled settled_notification) returns table (issue_id bigint)
language sql immutable parallel safe
begin atomic
  select f.issue_id
  from jsonb_to_recordset(settled.unrendered) as f (issue_id bigint)
  where settled.state <> 'pending';
end;

comment on function ccx.unrendered_issues(settled_notification) is
  'The issues that were left out of a message that ended.';
