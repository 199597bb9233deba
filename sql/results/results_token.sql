-- With the rights of the owner: nobody may read the hashes, and before a token is known there is no
-- organization.
create or replace function ccx.results_token(token_hash bytea, at timestamptz default now())
  returns table (org_id text, user_id text)
language sql stable security definer
set search_path = public, ccx, pg_temp
as $$
  select t.org_id::text, t.name
  from api_token t
  where t.token_hash = results_token.token_hash and t.revoked_at is null
    and coalesce(t.expires_at > results_token.at, true);
$$;
revoke execute on function ccx.results_token(bytea, timestamptz) from public;

comment on function ccx.results_token(bytea, timestamptz) is
  'For whom a bearer token with this SHA-256 speaks; no row: it does not count (any more).';
