create or replace function add_silence(
  ends_at timestamptz,
  reason text,
  org_id bigint default null,
  cluster text default null,
  rule text default null,
  error_key text default null,
  tag text default null,
  starts_at timestamptz default null,
  everything boolean default false,
  at timestamptz default now(),
  lasts interval default null
) returns silence
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  added silence;
  asked record;
  key text;
  holds integer;
  open_issues integer;
begin
  -- what is typed or pasted has blanks around it, and would match nothing
  cluster := lower(btrim(cluster, e' \t\r\n'));
  tag := btrim(tag, e' \t\r\n');
  select * into asked from rule_ref(add_silence.rule) r;
  key := named_key(add_silence.rule, add_silence.error_key);
  perform given(add_silence.at);
  ends_at := coalesce(ends_at, coalesce(starts_at, add_silence.at) + lasts);
  if ends_at is null or ends_at = 'infinity' then
    raise exception 'a silence needs an end' using errcode = 'NTS01';
  end if;
  if ends_at <= coalesce(starts_at, add_silence.at) or ends_at <= add_silence.at then
    raise exception 'a silence that ends at % would never hold', ends_at using errcode = 'NTS02';
  end if;
  if length(btrim(coalesce(add_silence.reason, ''))) < 5 then
    raise exception 'a silence needs a reason that a colleague understands' using errcode = 'NTS03';
  end if;
  if num_nonnulls(org_id, cluster, rule, error_key, tag) = 0 and not everything then
    raise exception 'this silence would hold every notification; say so with everything => true'
      using errcode = 'NTS04';
  end if;
  if num_nonnulls(org_id, cluster, rule, error_key, tag) > 0 and everything then
    raise exception 'a silence of everything cannot be narrowed at the same time'
      using errcode = 'NTS05';
  end if;
  if '' = any (array[cluster, asked.rule_name, key, tag]) then
    raise exception 'a silence cannot be of an empty name' using errcode = 'NTS06';
  end if;
  insert into silence (org_id, cluster, rule_name, error_key, tag, everything, period, reason, created_at)
  values (add_silence.org_id, add_silence.cluster, asked.rule_name, key, add_silence.tag, everything,
    tstzrange(coalesce(starts_at, add_silence.at), ends_at), add_silence.reason, add_silence.at)
  returning * into added;
  perform notice_unknown_names(added.org_id, added.cluster, added.rule_name, added.error_key, added.tag);
  select count(*) into holds from silenced_issues(added, add_silence.at);
  select count(*) into open_issues from issue i where i.closed_at is null;
  if holds = 0 then
    raise notice 'this silence matches no open issue now';
  elsif concerns_many(holds, open_issues) then
    raise notice 'this silence holds % of % open issues', holds, open_issues;
  end if;
  return added;
exception
  when exclusion_violation then
    raise exception 'there is a silence of the same already in that time; end it first or choose another time'
      using errcode = 'NTS07';
end $$;

comment on function add_silence(timestamptz, text, bigint, text, text, text, text, timestamptz, boolean,
  timestamptz, interval) is
  'Holds notifications until ends_at or (null) as long as it lasts: those of an organization, a cluster, a '
  'rule (any spelling), an error key, a tag, or a combination; everything => true for all. Preview it with '
  'preview_silence().';
