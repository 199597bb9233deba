create or replace function ccx.cluster_is_known(org_id bigint, cluster text) returns boolean
language sql stable parallel safe
begin atomic
  select exists (
    select from latest_report l
    where l.cluster = cluster_is_known.cluster and l.org_id = cluster_is_known.org_id and l.left_at is null);
end;

comment on function ccx.cluster_is_known(bigint, text) is
  'Whether a cluster of this organization has reported.';
