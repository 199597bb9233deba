-- By what is in renamed_rule, not by when it was written: two renames may commit in another order than they
-- began.
create or replace function ccx.names_hash() returns bigint
language sql stable parallel safe
begin atomic
  select coalesce(
    bit_xor(hash_record_extended(row(n.component, n.new_component, n.renamed_at, n.ended_at), 0)), 0)
  from renamed_rule n;
end;

comment on function ccx.names_hash() is
  'A hash of which rules have been renamed, 0 where none was: what a report means depends on it.';
