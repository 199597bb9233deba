-- The consumer computes the same (src/cell/bucket_of.ts). By the hash, since names that people chose are not
-- spread evenly; in lower case, as the consumer stores clusters, though other writers may not.
create or replace function bucket_of(cluster text) returns integer
language sql immutable strict parallel safe
return ('x' || left(md5(lower(cluster collate "C")), 2))::bit(8)::integer;

comment on function bucket_of(text) is
  'The bucket of a cluster, 0 to 255: the first byte of the MD5 of its name in lower case. Null for null.';
