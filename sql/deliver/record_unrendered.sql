-- An issue whose message is too large though it has no other is held as well: the next report would only
-- give the same message.
--
-- A replay holds nothing: what could not be rendered for it was notified before.
create or replace function ccx.record_unrendered(settled settled_notification[], at timestamptz) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  insert into render_failure (issue_id, target_id, content_id, occurrence, failed_at, error)
  select i.issue_id, i.target_id, i.content_id, i.occurrence, at, left(f.error, 1000)
  from unnest(settled) s
  cross join lateral (
    select u.issue_id, u.error from jsonb_to_recordset(s.unrendered) as u (issue_id bigint, error text)
    union all
    select t.issue_id, coalesce(s.error, s.failure) from notified_issue t
    where s.too_large and s.state = 'dead' and t.notification_id = s.id and not t.left_out
  ) f
  join notified_issue i on i.notification_id = s.id and i.issue_id = f.issue_id
  where s.state <> 'pending' and s.replay_of is null
  -- without a cooldown, several messages may name the same issue
  on conflict do nothing;
end $$;

comment on function ccx.record_unrendered(settled_notification[], timestamptz) is
  'Writes to render_failure which issues were left out of messages that ended, since their texts could not '
  'be rendered, and which do not fit into a message alone.';
