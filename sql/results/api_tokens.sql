create or replace view api_tokens with (security_invoker = true) as
select t.org_id, t.name, t.created_by, t.created_at, t.expires_at
from api_token t
where t.revoked_at is null and coalesce(t.expires_at > now(), true);

comment on view api_tokens is 'Bearer tokens of the results API that count.';
comment on column api_tokens.org_id is 'the organization that it speaks for';
comment on column api_tokens.name is 'what it is for; also the user that it acts as';
comment on column api_tokens.created_by is 'database user who made it';
comment on column api_tokens.created_at is 'when';
comment on column api_tokens.expires_at is 'from when on it does not count; null: it does not expire';
