-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table silence is
  'who asked not to be notified, of what, why and until when; ended early, never deleted';
comment on column silence.id is 'number of the silence';
comment on column silence.org_id is 'only for this organization; null: any';
comment on column silence.cluster is 'only for this cluster; null: any';
comment on column silence.rule_name is 'only for this rule; null: any';
comment on column silence.error_key is 'only for this error key; null: any';
comment on column silence.tag is 'only for rules with this tag; null: any';
comment on column silence.everything is 'has to be true for a silence without any of the above';
comment on column silence.period is 'from when until when';
comment on column silence.reason is 'why';
comment on column silence.created_by is 'database user who asked';
comment on column silence.created_at is 'when; a silence does not reach into the past before it';
comment on column silence.ended_at is 'when it was ended early';
comment on column silence.ended_by is 'database user who ended it early';
comment on column silence.in_force is
  'when it really holds: the period, not before it was created, not after it was ended; this is what '
  'decide() reads';

comment on table rule_disable is
  'rules that an organization does not want to hear of, as the aggregator keeps them; deleting a row ends '
  'it; written by compat, results, silence: what customers and operators ask for, or the aggregator''s '
  'copied';
comment on column rule_disable.org_id is 'the organization, as text, as the aggregator has it';
comment on column rule_disable.rule_id is 'the rule, in any of its spellings';
comment on column rule_disable.error_key is 'which of the rule''s problems; empty: all of them';
comment on column rule_disable.justification is 'why';
comment on column rule_disable.created_at is 'since when';
comment on column rule_disable.updated_at is 'when it was last changed';
comment on column rule_disable.created_by is 'user who asked through the results API; null: somebody else';

comment on table cluster_rule_toggle is
  'rules that are switched off for one cluster, as the aggregator keeps them; written by compat, results, '
  'silence: what customers and operators ask for, or the aggregator''s copied';
comment on column cluster_rule_toggle.cluster_id is 'the cluster';
comment on column cluster_rule_toggle.rule_id is 'the rule, in any of its spellings';
comment on column cluster_rule_toggle.error_key is 'which of the rule''s problems; empty: all of them';
comment on column cluster_rule_toggle.org_id is 'the organization, as text; 0: whoever owns the cluster';
comment on column cluster_rule_toggle.disabled is '1: switched off';
comment on column cluster_rule_toggle.disabled_at is 'since when it is off';
comment on column cluster_rule_toggle.enabled_at is 'since when it is on again';
comment on column cluster_rule_toggle.updated_at is 'when it was last changed';

comment on table acknowledgement is
  'the history of rule_disable and cluster_rule_toggle, kept by their triggers; this is what decide() '
  'reads, now and for the past';
comment on column acknowledgement.id is 'number of the acknowledgement';
comment on column acknowledgement.org_id is 'the organization; null: whoever owns the cluster';
comment on column acknowledgement.cluster is 'the cluster; null: all clusters of the organization';
comment on column acknowledgement.rule_name is 'bare name of the rule';
comment on column acknowledgement.error_key is 'which of the rule''s problems; null: all of them';
comment on column acknowledgement.period is 'from when until when';
comment on column acknowledgement.source is 'the table it comes from';
comment on column acknowledgement.source_key is 'the key of its row there, its columns separated by blanks';

comment on table acknowledged_rule is
  'Rules that an organization, or one of its clusters, ever acknowledged: for all others decide() need not '
  'look.';
comment on column acknowledged_rule.rule_name is 'bare name of the rule';
comment on column acknowledged_rule.org_id is 'the organization, where it acknowledged for all its clusters';
comment on column acknowledged_rule.cluster is 'the cluster, where it was for one';
