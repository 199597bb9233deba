-- The incumbent's table as a person reads it: `reported` has numbers, and a report only where something was
-- sent. What was notified stands in the ledger.
create or replace view reported_in_words with (security_invoker = true) as
select
  r.notified_at,
  r.org_id,
  r.cluster,
  t.name as target,
  s.value as state,
  k.value as notification_type,
  r.updated_at,
  -- asked for the rows that are shown, not for all that are sorted
  (
    select coalesce(
      array_agg(distinct rule.rule_name || '|' || rule.error_key
        order by rule.rule_name || '|' || rule.error_key),
      '{}')
    from notification n
    join notified_issue i on i.notification_id = n.id
    join issue on issue.id = i.issue_id
    join rule on rule.id = issue.rule_id
    where n.cluster = r.cluster and n.org_id = r.org_id and n.decided_at = r.notified_at
      and n.target_id = r.event_type_id and n.replay_of is null and not i.left_out
  ) as issues,
  nullif(r.error_log, '') as error_log
from reported r
join event_targets t on t.id = r.event_type_id
join states s on s.id = r.state
join notification_types k on k.id = r.notification_type;

comment on view reported_in_words is
  'reported with names in place of numbers, and with the issues that were notified.';
comment on column reported_in_words.notified_at is 'when it was decided';
comment on column reported_in_words.org_id is 'organization that owns the cluster';
comment on column reported_in_words.cluster is 'the cluster';
comment on column reported_in_words.target is 'the target';
comment on column reported_in_words.state is 'sent, same, lower or error, as in states';
comment on column reported_in_words.notification_type is 'instant, as in notification_types';
comment on column reported_in_words.updated_at is 'time of the report';
comment on column reported_in_words.issues is
  'rule|ERROR_KEY of each issue that was in its messages; empty: it was skipped';
comment on column reported_in_words.error_log is 'what went wrong; null: nothing did';
