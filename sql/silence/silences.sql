create or replace view silences with (security_invoker = true) as
select
  s.id,
  case
    when upper(s.period) <= now() or s.ended_at <= now() then 'expired'
    when lower(s.period) > now() then 'pending'
    else 'active'
  end as state,
  lower(s.period) as starts_at,
  least(upper(s.period), s.ended_at) as ends_at,
  s.org_id,
  s.cluster,
  s.rule_name,
  s.error_key,
  s.tag,
  s.everything,
  s.reason,
  s.created_by,
  s.created_at,
  s.ended_by
from silence s;

comment on view silences is
  'Who asked not to be notified, of what, why, and whether that is pending, active or expired.';
comment on column silences.id is 'number of the silence';
comment on column silences.state is 'pending, active or expired';
comment on column silences.starts_at is 'from when';
comment on column silences.ends_at is 'until when, or when it was ended early';
comment on column silences.org_id is 'only for this organization; null: any';
comment on column silences.cluster is 'only for this cluster; null: any';
comment on column silences.rule_name is 'only for this rule; null: any';
comment on column silences.error_key is 'only for this error key; null: any';
comment on column silences.tag is 'only for rules with this tag; null: any';
comment on column silences.everything is 'holds every notification';
comment on column silences.reason is 'why';
comment on column silences.created_by is 'database user who asked';
comment on column silences.created_at is 'when';
comment on column silences.ended_by is 'database user who ended it early';
