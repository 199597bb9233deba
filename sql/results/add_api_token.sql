create or replace function add_api_token(
  token_hash bytea, org_id bigint, name text, valid_for interval default null
) returns timestamptz
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  until timestamptz := now() + add_api_token.valid_for;
begin
  if add_api_token.valid_for <= '0' then
    raise exception 'a token has to be valid for some time, not for %', add_api_token.valid_for
      using errcode = 'NTT01';
  end if;
  insert into api_token (token_hash, org_id, name, expires_at)
  values (add_api_token.token_hash, add_api_token.org_id, add_api_token.name, until);
  return until;
end $$;

comment on function add_api_token(bytea, bigint, text, interval) is
  'Lets whoever has the token with this SHA-256 call the results API for an organization; returns until when '
  '(null: until it is revoked). Raises NTT01 for a time that is none.';
