-- A temporary table, so that a source of a million lines comes in parts and is taken over at once: it is
-- emptied when the transaction ends. A line that is refused keeps its cluster and organization where they can
-- be read, and so does not remove what is there.
create or replace function ccx.read_registry(
  lines integer[], clusters text[], org_ids text[], display_names text[], managed text[], statuses text[],
  problems text[]
) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  if to_regclass('pg_temp.registry_line') is null then
    create temp table registry_line (
      line integer not null, cluster text collate "C", org_id bigint, display_name text, managed boolean,
      status text, problem text
    ) on commit delete rows;
  end if;
  insert into pg_temp.registry_line (line, cluster, org_id, display_name, managed, status, problem)
  select n.line, f.cluster_id, f.organization, coalesce(nullif(n.display_name, ''), f.cluster_id),
    case when coalesce(n.problem, f.problem) is null then coalesce(nullif(n.managed, '')::boolean, false) end,
    coalesce(nullif(n.status, ''), 'Active'),
    coalesce(n.problem, f.problem)
  from unnest(
      read_registry.lines, read_registry.clusters, read_registry.org_ids, read_registry.display_names,
      read_registry.managed, read_registry.statuses, read_registry.problems)
    as n (line, cluster, org_id, display_name, managed, status, problem)
  cross join lateral registry_fields(n.cluster, n.org_id, n.display_name, n.managed, n.status) f;
end $$;

comment on function ccx.read_registry(
    integer[], text[], text[], text[], text[], text[], text[]) is
  'Takes lines of a source into the temporary table registry_line, for load_registry() in the same '
  'transaction; problems: what is wrong with a line already, or null.';
