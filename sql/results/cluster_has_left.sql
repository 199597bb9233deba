create or replace function ccx.cluster_has_left(org_id bigint, cluster text) returns boolean
language sql stable parallel safe
begin atomic
  select exists (
    select from latest_report l
    where l.cluster = cluster_has_left.cluster and l.org_id = cluster_has_left.org_id
      and l.left_at is not null);
end;

comment on function ccx.cluster_has_left(bigint, text) is
  'Whether a cluster was of this organization, and moved to another one: then nothing of it is shown '
  'any more.';
