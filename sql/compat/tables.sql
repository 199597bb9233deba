-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table disabled_elsewhere is
  'rules that are disabled because the aggregator''s database says so, not because '
  'somebody acknowledged them here';
comment on column disabled_elsewhere.is_toggle is
  'true: a row of cluster_rule_toggle, false: of rule_disable';
comment on column disabled_elsewhere.owner is 'the cluster, or the organization';
comment on column disabled_elsewhere.rule_id is 'the rule, as it is spelt there';
comment on column disabled_elsewhere.error_key is 'its error key; empty: all of them';
