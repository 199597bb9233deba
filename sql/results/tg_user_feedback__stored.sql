create or replace function ccx.tg_user_feedback__stored() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  owner constant bigint := case when new.org_id ~ '^[0-9]{1,16}$' then new.org_id::bigint end;
  cluster constant text := refuse_foreign_row('cluster_rule_user_feedback', owner, new.cluster_id);
begin
  if not cluster_is_known(owner, cluster) then
    raise exception 'aggregator.cluster_rule_user_feedback: cluster % has no report of organization %',
      cluster, owner
      using errcode = 'NTV04', hint = 'insert its report first';
  end if;
  if coalesce(new.user_vote, 0) not between -1 and 1 or octet_length(new.message) > 255
    or coalesce(new.user_id, '') = '' or coalesce(new.rule_id, '') = '' or new.error_key is null
  then
    raise exception 'aggregator.cluster_rule_user_feedback: a vote has a user, a rule and an error key, is '
      '-1, 0 or 1, and its message has at most 255 bytes'
      using errcode = 'NTV05';
  end if;
  insert into cluster_rule_user_feedback as f (cluster_id, rule_id, error_key, user_id, org_id, message,
    user_vote, added_at, updated_at)
  values (cluster, rule_module(new.rule_id) || '.report', new.error_key, new.user_id, owner,
    coalesce(new.message, ''), coalesce(new.user_vote, 0), coalesce(new.added_at at time zone 'UTC', now()),
    coalesce(new.updated_at at time zone 'UTC', now()))
  on conflict (cluster_id, rule_id, error_key, user_id, org_id) do update
  set user_vote = excluded.user_vote, updated_at = excluded.updated_at,
    message = case when excluded.message = '' then f.message else excluded.message end;
  return new;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_user_feedback__stored() from public;

comment on function ccx.tg_user_feedback__stored() is
  'Trigger of aggregator.cluster_rule_user_feedback: takes a row as a vote. Raises NTV01 (owner), NTV04 (no '
  'report) or NTV05 (vote or text).';
