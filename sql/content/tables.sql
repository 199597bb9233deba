-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table rule_content is
  'what a rule says about an error key: risk, tags, texts; a change is a new version, the old one keeps its '
  'time';
comment on column rule_content.id is 'number of this version';
comment on column rule_content.rule_name is 'bare name of the rule (folder name of the content)';
comment on column rule_content.error_key is 'which of the rule''s problems';
comment on column rule_content.python_module is 'full dotted name of the rule';
comment on column rule_content.description is 'the problem in one line';
comment on column rule_content.generic is 'the problem for readers without a cluster at hand';
comment on column rule_content.summary is 'what it is about, short';
comment on column rule_content.reason is 'why this cluster is affected';
comment on column rule_content.resolution is 'what to do about it';
comment on column rule_content.more_info is 'where to read on';
comment on column rule_content.impact is 'how bad it is: 1 to 4';
comment on column rule_content.likelihood is 'how likely it is to strike: 1 to 4';
comment on column rule_content.total_risk is
  '(impact + likelihood) / 2, rounded down: 1 low, 2 moderate, 3 important, 4 critical';
comment on column rule_content.status is 'active, or inactive: not to be notified';
comment on column rule_content.publish_date is 'when the rule was published';
comment on column rule_content.tags is 'what the rule is about, for required_tags of a policy';
comment on column rule_content.impact_name is 'how the source calls the impact, for example Data Loss';
comment on column rule_content.resolution_risk is
  'how risky it is to do something about it: 1 to 4; 0: not known';
comment on column rule_content.plugin_name is 'the rule''s name for people';
comment on column rule_content.node_id is 'number of the article about it in the knowledge base';
comment on column rule_content.product_code is 'product that the rule is about';
comment on column rule_content.rule_texts is
  'the texts that the rule has for all its error keys: {generic, summary, reason, resolution, more_info}; a '
  'null says that it is the text of this error key';
comment on column rule_content.validity is
  'when this version was the one in force; open-ended for the present one';

comment on table content_refusal is
  'rules and error keys that the latest load left out, because they do not conform; refused_content shows '
  'them';
comment on column content_refusal.rule_name is 'bare name of the rule, as far as it can be stored';
comment on column content_refusal.error_key is 'which of its problems; null: the whole rule';
comment on column content_refusal.problems is 'everything that is wrong with it, one sentence each';
comment on column content_refusal.since is 'the first load in a row that left it out';
comment on column content_refusal.source is 'the folder or content service of the latest load';

comment on table content_guard is
  'how much of the content one load may change without a person who agrees (one row), and the latest load '
  'that changed something';
comment on column content_guard.single is 'there is one row';
comment on column content_guard.max_share is
  'a load that ends or changes more than this share of the rules and error keys in force, or holds or '
  'releases more than this share of the open issues, is refused; 1: never';
comment on column content_guard.min_rules is 'fewer rules and error keys than that are never too many';
comment on column content_guard.min_issues is 'fewer open issues than that are never too many';
comment on column content_guard.accepted_until is
  'until then the next load that would be refused is taken over; see accept_content()';
comment on column content_guard.accepted_by is 'who agreed to that';
comment on column content_guard.loaded_at is 'from when on the latest load that changed something counts';
comment on column content_guard.is_accepted is 'a person agreed to that load, so it is not looked at';
comment on column content_guard.held_since is
  'since when loads of the worker are refused, as they would change too much; null: the latest one was taken';
comment on column content_guard.held_reason is 'what the latest of them would have done';
