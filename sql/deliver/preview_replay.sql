-- What was said: of a message that was sent, the issues that were in it. Of one that was given up, those that
-- nobody has been notified of since, each once, by the last message that should have; what a replay notified
-- of it counts as notified. A replay is not replayed itself, and what was replayed within a day, or waits to
-- be, is passed over. All that unless asked for: Enter is easily hit twice.
create or replace function preview_replay(
  started_at timestamptz, stopped_at timestamptz, target text default null, org_id bigint default null,
  cluster text default null, rule text default null, again boolean default false, at timestamptz default now()
) returns table (
  notification_id bigint, target text, org_id bigint, cluster text, state text, ended_at timestamptz,
    issue_ids bigint[]
)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with notified as (
    select n.id, n.target_id, n.org_id, n.cluster, n.state, n.ended_at, i.issue_id,
      n.state = 'dead' and i.live as is_notified_again,
      -- of one issue in several messages that were given up, the last
      n.state = 'sent' or n.id = first_value(n.id) over (
        partition by n.state, n.target_id, i.issue_id, i.resolved order by n.decided_at desc,
          n.id desc) as counts
    from notification n
    join notified_issue i on i.notification_id = n.id
    join issue on issue.id = i.issue_id
    join rule r on r.id = issue.rule_id
    where check_past_period(started_at, stopped_at, at)
      and n.state in ('sent', 'dead')
      and n.ended_at >= started_at
      and n.ended_at < stopped_at
      and n.replay_of is null
      and (preview_replay.target is null or n.target_id = target_id(preview_replay.target))
      and (preview_replay.org_id is null or n.org_id = preview_replay.org_id)
      and (preview_replay.cluster is null or n.cluster = lower(preview_replay.cluster))
      and (preview_replay.rule is null or exists (
        select from rule_ref(preview_replay.rule) asked
        where r.rule_name = asked.rule_name and r.error_key = coalesce(asked.error_key, r.error_key)))
      and not i.left_out
      and case n.state when 'sent' then i.live else not notified_elsewhere(i) end
  )
  select o.id, t.name, o.org_id, o.cluster, o.state, o.ended_at, array_agg(o.issue_id order by o.issue_id)
  from notified o
  join event_targets t on t.id = o.target_id
  where o.counts
    and (preview_replay.again or not o.is_notified_again and not exists (
      select from notification r
      join notified_issue i on i.notification_id = r.id and i.issue_id = o.issue_id
      where r.replay_of = o.id
        and (r.state = 'pending' or (r.state = 'sent' and r.decided_at > at - interval '1 day'))))
  group by o.id, t.name, o.org_id, o.cluster, o.state, o.ended_at
  order by o.ended_at, o.id;
$$;

comment on function preview_replay(timestamptz, timestamptz, text, bigint, text, text, boolean,
  timestamptz) is
  'The messages that ended (sent or given up) in this stretch of time and that replay() would send again, '
  'with the issues they would name; target, organization, cluster and rule (any spelling) narrow it down.';
