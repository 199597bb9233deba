create or replace function ccx.registry_problem(
  cluster text, org_id text, display_name text, managed text, status text
) returns text
language sql immutable parallel safe
return
  case
    when coalesce(registry_problem.cluster, '')
        !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
      format('the cluster is no UUID: "%s"', left(registry_problem.cluster, 60))
    when coalesce(registry_problem.org_id, '') !~ '^0*[1-9][0-9]{0,14}$' then
      format('the organization is no number: "%s"', left(registry_problem.org_id, 60))
    when length(registry_problem.display_name) > 255 then 'the name is longer than 255 characters'
    when registry_problem.display_name ~ '[[:cntrl:]]' then 'the name holds a character that cannot be seen'
    when lower(registry_problem.managed) not in ('true', 'false', 't', 'f', '1', '0', 'yes', 'no', '') then
      format('managed is neither true nor false: "%s"', left(registry_problem.managed, 60))
    when length(registry_problem.status) > 64 then 'the status is longer than 64 characters'
    when registry_problem.status ~ '[[:cntrl:]]' then 'the status holds a character that cannot be seen'
  end;

comment on function ccx.registry_problem(text, text, text, text, text) is
  'What is wrong with a line for the registry of clusters; null: nothing.';
