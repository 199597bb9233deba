create or replace function revoke_api_token(org_id bigint, name text) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  revoked integer;
begin
  update api_token t
  set revoked_at = now()
  where t.org_id = revoke_api_token.org_id and t.name = revoke_api_token.name and t.revoked_at is null;
  get diagnostics revoked = row_count;
  return revoked;
end $$;

comment on function revoke_api_token(bigint, text) is
  'Takes back every token of this name of an organization; returns how many.';
