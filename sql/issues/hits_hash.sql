-- The same wherever it is computed (src/ingest/hits_hash.ts): of each different hit its two names, each
-- behind its number of bytes, so that no two lists of hits are written alike; in the order of their bytes;
-- and of all that the first eight bytes of the SHA-256. A query, so that it is taken into the caller's plan.
create or replace function ccx.hits_hash(report jsonb) returns table (hash bigint)
language sql immutable parallel safe
begin atomic
  select ('x' || encode(substr(sha256(convert_to(
    coalesce(string_agg(h.hit, '' order by h.hit collate "C"), ''), 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint
      as hash
  from (
    select octet_length(r.component) || ':' || r.component || octet_length(r.error_key) || ':' || r.error_key
      as hit
    from report_hits(hits_hash.report) r
  ) h;
end;

comment on function ccx.hits_hash(jsonb) is
  'A hash of the hits of a report, whatever their order and their details.';
