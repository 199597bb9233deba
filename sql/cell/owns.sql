create or replace function owns(cluster text) returns boolean
language sql stable parallel safe
return (select c.buckets @> bucket_of(owns.cluster) from cell c);

comment on function owns(text) is
  'Whether a cluster belongs to this database (its cell); always true where there is one cell. Null for '
  'null.';
