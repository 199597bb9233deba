create or replace function ccx.known_cluster(cluster text)
returns table (
  org_id bigint, cluster text, updated_at timestamptz, received_at timestamptz, moved_to bigint,
  left_at timestamptz)
language sql stable
begin atomic
  select l.org_id, l.cluster, l.updated_at, l.received_at, l.moved_to, l.left_at
  from latest_report l
  where l.cluster = lower(known_cluster.cluster)
  order by l.left_at desc nulls first, l.updated_at desc;
end;

comment on function ccx.known_cluster(text) is
  'The newest report of a cluster for each organization that it has belonged to; the present one first.';
