-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table cluster_registry is
  'clusters as their owners know them, filled by hand or from a file; a cluster that is missing here has its '
  'id for a name and is not managed';
comment on column cluster_registry.cluster is 'the cluster, in lower case';
comment on column cluster_registry.org_id is
  'the organization that it is registered for; counts only while that owns the cluster';
comment on column cluster_registry.display_name is 'its name for people';
comment on column cluster_registry.managed is
  'somebody manages it for the customer, who is shown only rules tagged osd_customer';
comment on column cluster_registry.status is
  'state of its subscription; a cluster that is Archived, Deprovisioned or Reserved is not listed';
comment on column cluster_registry.changed_at is 'when this was last changed';
comment on column cluster_registry.source is
  'where it comes from; null: by hand, and then no source changes it';

comment on table registry_source is
  'what the registry of clusters is filled from, and how the last load went';
comment on column registry_source.source is 'its name: file, http, or another that load_registry() was given';
comment on column registry_source.max_share is
  'a load that would change and remove more than this part of its clusters needs a person who agrees';
comment on column registry_source.min_clusters is 'fewer than so many need nobody';
comment on column registry_source.location_hash is
  'SHA-256 of the URL that it was fetched from; null: by no URL';
comment on column registry_source.etag is
  'what that named the version which was loaded; null: ask without it';
comment on column registry_source.last_modified is 'when that said it had changed; null: ask without it';
comment on column registry_source.loaded_at is 'when it was last loaded; null: never';
comment on column registry_source.loaded_by is 'by whom';
comment on column registry_source.refused is 'how many lines were left out then';
comment on column registry_source.problems is 'what is wrong with the first 100 of them';
comment on column registry_source.failed_at is 'since when later loads fail; null: none did';
comment on column registry_source.failure is 'why it failed';
comment on column registry_source.asked_at is
  'when it was last asked, or read from a file, whatever came of it; null: never';
comment on column registry_source.asked_every is
  'how often somebody means to ask it, as a worker with CCX_REGISTRY_URL does; null: nobody said that he '
  'would';

comment on table rule_group is 'groups that rules are shown in, by their tags';
comment on column rule_group.position is 'its place among the groups';
comment on column rule_group.title is 'its name for people';
comment on column rule_group.description is 'what is in it';
comment on column rule_group.tags is 'a rule with one of these tags is in it';

comment on table cluster_rule_user_feedback is 'what users think of an issue of a cluster: a vote and a text';
comment on column cluster_rule_user_feedback.cluster_id is 'the cluster';
comment on column cluster_rule_user_feedback.rule_id is 'the rule as reports spell it (x.report)';
comment on column cluster_rule_user_feedback.error_key is 'which of the rule''s problems';
comment on column cluster_rule_user_feedback.user_id is 'the user, as the identity names him';
comment on column cluster_rule_user_feedback.org_id is 'organization of the user';
comment on column cluster_rule_user_feedback.message is 'what the user says';
comment on column cluster_rule_user_feedback.user_vote is '1 like, -1 dislike, 0 neither';
comment on column cluster_rule_user_feedback.added_at is 'when the first vote or text came';
comment on column cluster_rule_user_feedback.updated_at is 'when the last one came';

comment on table cluster_user_rule_disable_feedback is 'why users switched a rule off for a cluster';
comment on column cluster_user_rule_disable_feedback.cluster_id is 'the cluster';
comment on column cluster_user_rule_disable_feedback.rule_id is 'the rule as reports spell it (x.report)';
comment on column cluster_user_rule_disable_feedback.error_key is 'which of the rule''s problems';
comment on column cluster_user_rule_disable_feedback.user_id is 'the user, as the identity names him';
comment on column cluster_user_rule_disable_feedback.org_id is 'organization of the user';
comment on column cluster_user_rule_disable_feedback.message is 'why';
comment on column cluster_user_rule_disable_feedback.added_at is 'when that was first said';
comment on column cluster_user_rule_disable_feedback.updated_at is 'when it was last said';

comment on table advisor_ratings is 'how organizations rate rules';
comment on column advisor_ratings.org_id is 'the organization';
comment on column advisor_ratings.rule_fqdn is 'the rule''s full module, without .report';
comment on column advisor_ratings.error_key is 'which of the rule''s problems';
comment on column advisor_ratings.rating is '1 useful, -1 not useful, 0 neither';
comment on column advisor_ratings.rated_at is 'when it was first rated';
comment on column advisor_ratings.last_updated_at is 'when it was last rated';

comment on table api_token is
  'who may call the results API with a bearer token, and for which organization; the token itself is nowhere';
comment on column api_token.token_hash is 'SHA-256 of the token';
comment on column api_token.org_id is 'the organization that it speaks for';
comment on column api_token.name is 'what it is for; also the user that it acts as';
comment on column api_token.created_by is 'database user who made it';
comment on column api_token.created_at is 'when';
comment on column api_token.expires_at is 'from when on it does not count; null: it does not expire';
comment on column api_token.revoked_at is 'when it was taken back; null: it was not';
