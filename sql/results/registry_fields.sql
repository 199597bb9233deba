-- For a million lines: PostgreSQL writes it out where it is in from, and does not call it for each of them. A
-- regular expression with counts takes ten times as long as translate().
create or replace function ccx.registry_fields(
  cluster text, org_id text, display_name text, managed text, status text
) returns table (cluster_id text, organization bigint, problem text)
language sql immutable parallel safe
begin atomic
  select f.cluster_id, f.organization,
    case
      when f.cluster_id is null then
        'the cluster is no UUID: "' || left(coalesce(registry_fields.cluster, ''), 60) || '"'
      when f.organization is null then
        'the organization is no number: "' || left(coalesce(registry_fields.org_id, ''), 60) || '"'
      when length(registry_fields.display_name) > 255 then 'the name is longer than 255 characters'
      when registry_fields.display_name ~ '[[:cntrl:]]' then 'the name holds a character that cannot be seen'
      when lower(registry_fields.managed) not in ('true', 'false', 't', 'f', '1', '0', 'yes', 'no', '') then
        'managed is neither true nor false: "' || left(registry_fields.managed, 60) || '"'
      when length(registry_fields.status) > 64 then 'the status is longer than 64 characters'
      when registry_fields.status ~ '[[:cntrl:]]' then 'the status holds a character that cannot be seen'
    end
  from (
    select
      case
        when translate(lower(registry_fields.cluster), '0123456789abcdef', '0000000000000000')
          = '00000000-0000-0000-0000-000000000000' then lower(registry_fields.cluster)
      end as cluster_id,
      case
        when translate(registry_fields.org_id, '0123456789', '') = ''
          and length(ltrim(registry_fields.org_id, '0')) between 1 and 15 then registry_fields.org_id::bigint
      end as organization
  ) f;
end;

comment on function ccx.registry_fields(text, text, text, text, text) is
  'Cluster and organization of a line for the registry of clusters (null: it has none), and what is wrong '
  'with the line; null: nothing.';
