-- The row of explain_at() and of the views above it. A type, since the columns of `returns table` cannot have
-- a collation: without it a question about one cluster would not reach the index.
create type explanation as (
  target text,
  org_id bigint,
  cluster text collate "C",
  component text,
  error_key text,
  decision text,
  reasons text[],
  total_risk smallint,
  last_notified_at timestamptz,
  next_eligible_at timestamptz,
  occurrence integer,
  issue_state text,
  first_seen timestamptz,
  last_seen timestamptz,
  issue_id bigint,
  policy_id bigint,
  content_id bigint,
  silence_id bigint,
  acknowledgement_id bigint,
  render_error text
);

comment on type explanation is 'a decision with the name of its target: what explain_notification shows';
comment on column explanation.target is 'the target';
comment on column explanation.org_id is 'organization that owns the cluster';
comment on column explanation.cluster is 'the cluster';
comment on column explanation.component is 'the rule, as reports spell it';
comment on column explanation.error_key is 'which of the rule''s problems';
comment on column explanation.decision is 'notify or hold';
comment on column explanation.reasons is 'every reason to hold it; the view hold_reason says what each means';
comment on column explanation.total_risk is '1 low to 4 critical; null without content';
comment on column explanation.last_notified_at is 'when it was last notified through this target';
comment on column explanation.next_eligible_at is
  'when cooldown, spacing, damping and the wait after a failed rendering have ended';
comment on column explanation.occurrence is '1 = new, more = gone and back';
comment on column explanation.issue_state is 'new, regressed (gone and back), flapping, or resolved (gone)';
comment on column explanation.first_seen is 'time of the first report that had it';
comment on column explanation.last_seen is 'time of the newest report that has it';
comment on column explanation.issue_id is 'the issue';
comment on column explanation.policy_id is 'policy version that decided';
comment on column explanation.content_id is 'content version that decided';
comment on column explanation.silence_id is 'the silence that holds it';
comment on column explanation.acknowledgement_id is 'the acknowledgement that holds it';
comment on column explanation.render_error is 'why its texts could not be rendered';
