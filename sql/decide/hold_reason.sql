-- Every reason that policy_reasons() and hold_reasons() give, in their words for people. `npm run reference`
-- prints it for TypeScript (src/text/hold_reasons.ts) and into docs/reference/reasons.md.
create or replace view hold_reason with (security_invoker = true) as
select t.reason, t.meaning, t.by_policy
from (values
  ('target_disabled', 'the target is switched off for everybody', true),
  ('policy_disabled', 'the policy of the organization or the rule switches it off', true),
  ('no_content', 'nothing is known about the rule', true),
  ('inactive', 'the content says that the rule is not active', true),
  ('below_threshold', 'total risk, likelihood, impact or severity is below the policy''s threshold', true),
  ('filtered', 'the policy''s filter is 0 or less, or cannot be evaluated (filter_result.error)', true),
  ('missing_tag', 'the rule lacks one of the tags that the policy requires', true),
  ('cluster_not_allowed', 'the cluster is not among the policy''s allowed_clusters', true),
  ('cluster_blocked', 'the cluster is among the policy''s blocked_clusters', true),
  ('render_failed',
    'its texts could not be rendered, or did not fit into a message, in 24 hours (render_error)',
    false),
  ('silenced', 'a silence is in force (silence_id)', false),
  ('acked', 'the organization acknowledged the rule (acknowledgement_id)', false),
  ('disabled', 'the rule is switched off for this cluster (acknowledgement_id)', false),
  ('cooldown', 'it was notified through this target, and the cooldown has not passed since', false),
  ('spacing', 'the cluster was notified lately, and the spacing has not passed since', false),
  ('flapping', 'it comes and goes, and the policy damps that', false),
  ('stale_report', 'the newest report of the cluster is older than max_report_age; the next one asks again',
    false),
  ('storm', 'too many clusters at once: the brake holds it until a person has looked', false)
) t (reason, meaning, by_policy);

comment on view hold_reason is 'What each reason means that a decision has for holding an issue.';
comment on column hold_reason.reason is 'the reason, as in explain_notification.reasons';
comment on column hold_reason.meaning is 'what it means';
comment on column hold_reason.by_policy is
  'it depends on settings and rule content alone; an issue without one of these qualifies';
