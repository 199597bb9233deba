create or replace view explain_diff_by_rule with (security_invoker = true) as
select d.target, d.component, d.error_key, d.before, d.after, d.next_eligible, d.decisions, d.clusters,
  d.organizations
from ccx.diff_by_rule() d;

comment on view explain_diff_by_rule is
  'What the open transaction would change (explain_diff), counted by rule and by what becomes of what.';
comment on column explain_diff_by_rule.target is 'the target';
comment on column explain_diff_by_rule.component is 'the rule, as reports spell it';
comment on column explain_diff_by_rule.error_key is 'which of the rule''s problems';
comment on column explain_diff_by_rule.before is
  'notify, or hold: with every reason; null: there was no decision to take';
comment on column explain_diff_by_rule.after is
  'the same with the change; null: no decision to take any more';
comment on column explain_diff_by_rule.next_eligible is
  'sooner or later: cooldown, spacing and damping would end so; null: no difference';
comment on column explain_diff_by_rule.decisions is 'how many decisions would change so';
comment on column explain_diff_by_rule.clusters is 'of how many clusters';
comment on column explain_diff_by_rule.organizations is 'of how many organizations';
