-- What an announcement says, ours or that of another ingress. The first check that fails gives the reason.
-- A cluster that the identity names is vouched for; else the archive has to name it.
create or replace function ccx.read_announcement(
  value text,
  at timestamptz,
  out reason text,
  out detail text,
  out request_id text,
  out org_id bigint,
  out account_number bigint,
  out cluster text,
  out url text,
  out announced_at timestamptz,
  out last_checked text,
  out gathering_time text
)
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  rfc3339 constant text := 
    '^\d{4}-\d{2}-\d{2}[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$';
  uuid_form constant text := '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
  m jsonb;
  identity jsonb;
  gathered timestamptz;
begin
  if not pg_input_is_valid(read_announcement.value, 'jsonb') then
    reason := 'not_json';
    detail := 'the announcement is not JSON that the database can hold';
    return;
  end if;
  m := read_announcement.value::jsonb;
  if jsonb_typeof(m) <> 'object' then
    reason := 'not_object';
    detail := 'the announcement is JSON, but no object';
    return;
  end if;

  request_id := case when jsonb_typeof(m -> 'request_id') = 'string' then m ->> 'request_id' end;
  begin
    identity := convert_from(decode(m ->> 'b64_identity', 'base64'), 'UTF8')::jsonb -> 'identity';
  exception when others then
    identity := null;
  end;
  -- in a case, since a cast of what is no number would be evaluated while the statement is planned
  org_id := (
    select case when found.org ~ '^[1-9]\d{0,9}$' then found.org::bigint end
    from (values (coalesce(identity #>> '{internal,org_id}', identity ->> 'org_id'))) found (org));
  account_number := (
    select case when found.account ~ '^[1-9]\d{0,17}$' then found.account::bigint end
    from (values (coalesce(identity ->> 'account_number', m ->> 'account'))) found (account));
  cluster := (
    select lower(found.cluster)
    from (values (identity #>> '{system,cluster_id}')) found (cluster)
    where lower(found.cluster) ~ uuid_form);
  url := case when jsonb_typeof(m -> 'url') = 'string' then m ->> 'url' end;
  last_checked := case when jsonb_typeof(m -> 'timestamp') = 'string' then m ->> 'timestamp' end;
  if last_checked ~ rfc3339 and pg_input_is_valid(last_checked, 'timestamptz') then
    -- nanoseconds are cut off, as they are in a report's time
    announced_at := regexp_replace(last_checked, '(\.\d{6})\d+', '\1')::timestamptz;
  end if;

  select c.reason, c.detail into reason, detail
  from (
    values
      (1, coalesce(request_id, '') = '', 'no_request_id', 'request_id is missing, empty or no text'),
      (2, length(request_id) > 255, 'no_request_id', 'request_id is longer than 255 characters'),
      (3, url is null, 'bad_url', 'url is missing or no text'),
      (4, length(url) > 4096, 'bad_url', 'url is longer than 4096 characters'),
      (5, identity is null, 'bad_identity', 'b64_identity is missing, or is no identity in base64'),
      (6, org_id is null, 'no_org_id', 'the identity has no org_id that is a whole number from 1 on'),
      (7, coalesce(announced_at, '-infinity') < '1970-01-01Z', 'bad_timestamp',
        'timestamp is missing, not RFC 3339, or before 1970'),
      (8, announced_at > read_announcement.at + interval '1 day', 'future_timestamp',
        'timestamp is more than a day ahead of the database''s clock')
  ) c (place, failed, reason, detail)
  where c.failed
  order by c.place
  limit 1;
  if reason is not null then
    return;
  end if;

  -- an hour that is wrong by the time zone is worse than none, so it is converted
  gathering_time := m #>> '{metadata,custom_metadata,gathering_time}';
  gathered := case
    when gathering_time ~ rfc3339 and pg_input_is_valid(gathering_time, 'timestamptz')
      then gathering_time::timestamptz
    else announced_at end;
  gathering_time := to_char(gathered at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
    || case
      when date_trunc('second', gathered) <> gathered
        then rtrim(to_char(gathered at time zone 'UTC', '.US'), '0') else '' end
    || 'Z';
end $$;

comment on function ccx.read_announcement(text, timestamptz) is
  'What an announcement of platform.upload.announce says, or why it does not conform, from a fixed '
  'vocabulary.';
