create or replace function fleet.explain_cluster(cluster text) returns setof fleet.explain_notification
language sql stable
begin atomic
  select e.*
  from fleet.explain_notification e
  where e.cell = fleet.cell_of(explain_cluster.cluster) and e.cluster = explain_cluster.cluster;
end;

comment on function fleet.explain_cluster(text) is
  'Why the issues of a cluster are (or are not) notified; asks the cell that has it.';
