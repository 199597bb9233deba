-- The row that decide() returns. A type, so that decide_due() can hold the rows of one run in a variable.
create type decision as (
  target_id integer,
  org_id bigint,
  cluster text collate "C",
  issue_id bigint,
  component text,
  error_key text,
  occurrence integer,
  issue_state text,
  first_seen timestamptz,
  last_seen timestamptz,
  total_risk smallint,
  decision text,
  reasons text[],
  qualifies boolean,
  last_notified_at timestamptz,
  next_eligible_at timestamptz,
  policy_id bigint,
  content_id bigint,
  silence_id bigint,
  acknowledgement_id bigint,
  render_error text
);

comment on type decision is
  'one answer of decide(): is this issue to be notified through this target, and why (not)';
comment on column decision.target_id is 'the target';
comment on column decision.org_id is 'organization that owns the cluster';
comment on column decision.cluster is 'the cluster';
comment on column decision.issue_id is 'the issue';
comment on column decision.component is 'its rule, as reports spell it';
comment on column decision.error_key is 'which of the rule''s problems';
comment on column decision.occurrence is '1 = new, more = gone and back';
comment on column decision.issue_state is 'new, regressed (gone and back), flapping, or resolved (gone)';
comment on column decision.first_seen is 'time of the first report that had it';
comment on column decision.last_seen is 'time of the newest report that has it';
comment on column decision.total_risk is 'total risk of the rule, null without content';
comment on column decision.decision is 'notify or hold';
comment on column decision.reasons is 'every reason that holds it, empty for notify';
comment on column decision.qualifies is
  'the policy lets it through; what holds it, if anything, is a cooldown, a silence or an acknowledgement';
comment on column decision.last_notified_at is 'when it was last notified through this target';
comment on column decision.next_eligible_at is
  'when cooldown, spacing, damping and the wait after a failed rendering have ended; null when none of them '
  'ever held';
comment on column decision.policy_id is 'policy version that decided';
comment on column decision.content_id is 'content version that decided';
comment on column decision.silence_id is 'the silence that holds it';
comment on column decision.acknowledgement_id is 'the acknowledgement that holds it';
comment on column decision.render_error is 'why its texts could not be rendered';
