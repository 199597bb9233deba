-- The schema as the catalog of a migrated database has it, without the bodies of functions and views.
-- Printed by `npm run reference`; what to change is in migrations/ and sql/ (../docs/guides/changing-the-database.md).
-- Partitions with a date in their name, which come and go, and the way in which reports are compressed are left out.

-- Types -----------------------------------------------------------------------------------------------

-- one answer of decide(): is this issue to be notified through this target, and why (not)
create type decision as (
  -- the target
  target_id integer,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the issue
  issue_id bigint,
  -- its rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- 1 = new, more = gone and back
  occurrence integer,
  -- new, regressed (gone and back), flapping, or resolved (gone)
  issue_state text,
  -- time of the first report that had it
  first_seen timestamp with time zone,
  -- time of the newest report that has it
  last_seen timestamp with time zone,
  -- total risk of the rule, null without content
  total_risk smallint,
  -- notify or hold
  decision text,
  -- every reason that holds it, empty for notify
  reasons text[],
  -- the policy lets it through; what holds it, if anything, is a cooldown, a silence or an acknowledgement
  qualifies boolean,
  -- when it was last notified through this target
  last_notified_at timestamp with time zone,
  -- when cooldown, spacing, damping and the wait after a failed rendering have ended; null when none of them ever held
  next_eligible_at timestamp with time zone,
  -- policy version that decided
  policy_id bigint,
  -- content version that decided
  content_id bigint,
  -- the silence that holds it
  silence_id bigint,
  -- the acknowledgement that holds it
  acknowledgement_id bigint,
  -- why its texts could not be rendered
  render_error text
);

-- a decision with the name of its target: what explain_notification shows
create type explanation as (
  -- the target
  target text,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- notify or hold
  decision text,
  -- every reason to hold it; the view hold_reason says what each means
  reasons text[],
  -- 1 low to 4 critical; null without content
  total_risk smallint,
  -- when it was last notified through this target
  last_notified_at timestamp with time zone,
  -- when cooldown, spacing, damping and the wait after a failed rendering have ended
  next_eligible_at timestamp with time zone,
  -- 1 = new, more = gone and back
  occurrence integer,
  -- new, regressed (gone and back), flapping, or resolved (gone)
  issue_state text,
  -- time of the first report that had it
  first_seen timestamp with time zone,
  -- time of the newest report that has it
  last_seen timestamp with time zone,
  -- the issue
  issue_id bigint,
  -- policy version that decided
  policy_id bigint,
  -- content version that decided
  content_id bigint,
  -- the silence that holds it
  silence_id bigint,
  -- the acknowledgement that holds it
  acknowledgement_id bigint,
  -- why its texts could not be rendered
  render_error text
);

-- a report that arrived, without its text
create type ccx.arrived_report as (
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- time of the report
  updated_at timestamp with time zone,
  -- when the report arrived
  received_at timestamp with time zone,
  -- account number in the report
  account_number bigint,
  -- the upload of the report
  request_id text,
  -- when that was gathered
  gathered_at timestamp with time zone,
  -- OpenShift version in the report
  cluster_version text,
  -- as latest_report has it; null: the report does not count, since nobody can read it, or it is of the future
  hits_hash bigint
);

-- what decide_due() needs of an issue that is to be notified
create type ccx.issue_to_notify as (
  -- the target
  target_id integer,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the issue
  issue_id bigint,
  -- which of its occurrences
  occurrence integer,
  -- content version that decided
  content_id bigint,
  -- policy version that decided
  policy_id bigint,
  -- time of the newest report that has it
  last_seen timestamp with time zone,
  -- total risk of the rule
  total_risk smallint,
  -- it is notified as gone
  resolved boolean,
  -- its rule, as reports spell it
  component text
);

-- what policy and content alone say about an issue, with the policy that says so
create type ccx.issue_verdict as (
  -- the issue, open or not
  issue_id bigint,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- its rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- bare name of the rule
  rule_name text,
  -- time of the first report that had it
  first_seen timestamp with time zone,
  -- content version that decides; null: nothing is known about the rule
  content_id bigint,
  -- total risk of the rule
  total_risk smallint,
  -- tags of the rule
  tags text[],
  -- reasons that hold it whatever the cluster
  reasons text[],
  -- the policy version that decides
  policy policy,
  -- the target that the policy is for
  target_id integer
);

-- when an issue was last notified, and the policy in force for it now
create type ccx.last_notification as (
  -- the issue
  issue_id bigint,
  -- the target
  target_id integer,
  -- policy version that decided now
  policy_id bigint,
  -- when it was last notified
  notified_at timestamp with time zone
);

-- an occurrence of an issue that becomes one with another, and the occurrence that it is a part of then
create type ccx.moved_occurrence as (
  -- the issue before
  issue_id bigint,
  -- its occurrence before
  occurrence integer,
  -- whether it is the last part of the occurrence that it becomes
  is_last boolean,
  -- the issue that stays
  new_issue_id bigint,
  -- which occurrence of that
  new_occurrence integer,
  -- when the whole occurrence began
  opened_at timestamp with time zone,
  -- when the whole occurrence ended; null: it is open
  closed_at timestamp with time zone,
  -- when its beginning was known
  known_from timestamp with time zone,
  -- when its end was known
  known_until timestamp with time zone
);

-- a hit of a report that arrived; a report without hits has one with nulls
create type ccx.seen_hit as (
  -- which report of its cluster: 1 for the oldest of those that are new, then 2, …
  nth integer,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- time of the report
  updated_at timestamp with time zone,
  -- when the report arrived
  received_at timestamp with time zone,
  -- account number in the report
  account_number bigint,
  -- the rule as the report spells it; null: the report has no hits
  component text,
  -- which of the rule's problems
  error_key text
);

-- a message whose delivery ended, or is to be tried again
create type ccx.settled_notification as (
  -- the message
  id bigint,
  -- its target
  target_id integer,
  -- the message that it repeats; null: none
  replay_of bigint,
  -- what it is now: sent, pending or dead
  state text,
  -- issues that were left out of it: [{issue_id, error}]
  unrendered jsonb,
  -- what kind of failure it was
  failure text,
  -- what went wrong, for people
  error text,
  -- trying again would not help
  permanent boolean,
  -- a smaller message might get through
  too_large boolean,
  -- how long the receiver asked to wait
  retry_after_ms bigint,
  -- it says nothing about the receiver, which it did not reach or which is not known
  says_nothing boolean,
  -- values that its texts lack: [{issue_id, text, place, kind, example}]
  doubtful jsonb
);

-- Tables ----------------------------------------------------------------------------------------------

-- Rules that an organization, or one of its clusters, ever acknowledged: for all others decide() need not look.
create table acknowledged_rule (
  -- bare name of the rule
  rule_name text not null,
  -- the organization, where it acknowledged for all its clusters
  org_id bigint,
  -- the cluster, where it was for one
  cluster text collate "C",
  constraint acknowledged_rule_check CHECK (num_nonnulls(org_id, cluster) = 1)
);
CREATE UNIQUE INDEX acknowledged_rule_cluster_idx ON public.acknowledged_rule USING btree (rule_name, cluster) WHERE (org_id IS NULL);
CREATE UNIQUE INDEX acknowledged_rule_org_idx ON public.acknowledged_rule USING btree (rule_name, org_id) WHERE (cluster IS NULL);

-- the history of rule_disable and cluster_rule_toggle, kept by their triggers; this is what decide() reads, now and for the past
create table acknowledgement (
  -- number of the acknowledgement
  id bigint not null generated always as identity,
  -- the organization; null: whoever owns the cluster
  org_id bigint,
  -- the cluster; null: all clusters of the organization
  cluster text collate "C",
  -- bare name of the rule
  rule_name text not null,
  -- which of the rule's problems; null: all of them
  error_key text,
  -- from when until when
  period tstzrange not null,
  -- the table it comes from
  source text not null,
  -- the key of its row there, its columns separated by blanks
  source_key text not null,
  constraint acknowledgement_pkey PRIMARY KEY (id),
  constraint acknowledgement_source_check CHECK (source = ANY (ARRAY['rule_disable'::text, 'cluster_rule_toggle'::text])),
  constraint acknowledgement_source_source_key_period_excl EXCLUDE USING gist (source WITH =, source_key WITH =, period WITH &&)
);
CREATE INDEX acknowledgement_cluster_idx ON public.acknowledgement USING btree (rule_name, cluster) WHERE (cluster IS NOT NULL);
CREATE INDEX acknowledgement_org_idx ON public.acknowledgement USING btree (rule_name, org_id) WHERE (cluster IS NULL);
CREATE TRIGGER _010_guard BEFORE DELETE ON acknowledgement FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('the history of acknowledgements stays, unacknowledge() ends one');
CREATE TRIGGER _011_guard BEFORE TRUNCATE ON acknowledgement FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_guard('the history of acknowledgements stays, unacknowledge() ends one');
CREATE TRIGGER _012_guard BEFORE UPDATE ON acknowledgement FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('the history of acknowledgements stays, unacknowledge() ends one', 'period');
CREATE TRIGGER _100_rules AFTER INSERT ON acknowledgement REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_acknowledgement__rules();

-- how organizations rate rules
create table advisor_ratings (
  -- the organization
  org_id bigint not null,
  -- the rule's full module, without .report
  rule_fqdn text not null,
  -- which of the rule's problems
  error_key text not null,
  -- 1 useful, -1 not useful, 0 neither
  rating smallint not null,
  -- when it was first rated
  rated_at timestamp with time zone not null default now(),
  -- when it was last rated
  last_updated_at timestamp with time zone not null default now(),
  constraint advisor_ratings_pkey PRIMARY KEY (org_id, rule_fqdn, error_key),
  constraint advisor_ratings_rating_check CHECK (rating >= '-1'::integer AND rating <= 1)
);

-- one row for each announced archive: the job, the outbox of its result, and how it ended
create table analysis (
  -- number of the analysis
  id bigint not null generated always as identity,
  -- Kafka topic it was announced on
  topic text not null,
  -- partition of the topic
  partition integer not null,
  -- offset of the announcement in its partition
  kafka_offset bigint not null,
  -- request id of the upload; null: the announcement has none
  request_id text,
  -- organization that uploaded it; null: it could not be read
  org_id bigint,
  -- its account number; null: it has none that is a number
  account_number bigint,
  -- cluster it is about: of the identity, else of the archive; null: not known (yet)
  cluster text collate "C",
  -- the identity of the upload names the cluster
  vouched boolean not null default false,
  -- where the archive can be fetched; may hold a signature, and ends to work
  url text,
  -- the announcement's own time
  announced_at timestamp with time zone,
  -- the same as it was written: LastChecked of the result
  last_checked text,
  -- when the cluster gathered it, in UTC; else the announcement's time
  gathering_time text,
  -- the announcement as it came, where it does not conform
  announcement bytea,
  -- when the announcement was consumed
  received_at timestamp with time zone not null,
  -- waiting, analyzed (the result waits to be published), published, or dead
  state text not null,
  -- how many times it was handed to an analyzer
  attempts integer not null default 0,
  -- how many times in a row the process that had it ended without a word
  interruptions integer not null default 0,
  -- when it is due, or the lease of the process that has it ends; null: it has ended
  next_attempt_at timestamp with time zone,
  -- when the last attempt began
  started_at timestamp with time zone,
  -- when the archive was last fetched and unpacked
  downloaded_at timestamp with time zone,
  -- when its rules had run
  analyzed_at timestamp with time zone,
  -- when the result was published, or the archive given up
  ended_at timestamp with time zone,
  -- why the last attempt failed, from a fixed vocabulary (docs/reference/reasons.md); null: it did not
  failure text,
  -- the same as a sentence
  error text,
  -- when a person had it tried again last
  redriven_at timestamp with time zone,
  -- size of the archive as it was fetched
  archive_bytes bigint,
  -- how many files it has
  entries integer,
  -- how many hits its rules had
  hits integer,
  -- the result, byte by byte, while it waits to be published
  message text,
  -- topic that the result was published to
  result_topic text,
  -- partition of that topic; null: the broker did not say
  result_partition integer,
  -- offset of the result; null: the broker did not say
  result_offset bigint,
  -- trace that it goes on in, in the form of W3C Trace Context; null: none was started
  traceparent text,
  constraint analysis_pkey PRIMARY KEY (id),
  constraint analysis_known UNIQUE (org_id, request_id, announced_at),
  constraint analysis_check CHECK ((state = ANY (ARRAY['waiting'::text, 'analyzed'::text])) = (next_attempt_at IS NOT NULL)),
  constraint analysis_check1 CHECK ((state = 'analyzed'::text) = (message IS NOT NULL)),
  constraint analysis_check2 CHECK (state <> 'dead'::text OR failure IS NOT NULL),
  constraint analysis_state_check CHECK (state = ANY (ARRAY['waiting'::text, 'analyzed'::text, 'published'::text, 'dead'::text]))
) with (fillfactor=70);
CREATE INDEX analysis_cluster_idx ON public.analysis USING btree (cluster, announced_at);
CREATE INDEX analysis_dead_idx ON public.analysis USING btree (ended_at) WHERE (state = 'dead'::text);
CREATE INDEX analysis_due_idx ON public.analysis USING btree (state, next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX analysis_received_idx ON public.analysis USING brin (received_at);
CREATE INDEX analysis_request_idx ON public.analysis USING btree (request_id);
CREATE TRIGGER _100_status AFTER UPDATE ON analysis FOR EACH ROW WHEN (new.request_id IS NOT NULL AND (old.started_at IS NULL AND new.started_at IS NOT NULL AND new.state = 'waiting'::text OR old.state IS DISTINCT FROM new.state AND (new.state = ANY (ARRAY['published'::text, 'dead'::text])))) EXECUTE FUNCTION ccx.tg_analysis__status();
CREATE TRIGGER _100_status_of_inserted AFTER INSERT ON analysis FOR EACH ROW WHEN (new.request_id IS NOT NULL AND new.state = 'dead'::text) EXECUTE FUNCTION ccx.tg_analysis__status();

-- who may call the results API with a bearer token, and for which organization; the token itself is nowhere
create table api_token (
  -- SHA-256 of the token
  token_hash bytea not null,
  -- the organization that it speaks for
  org_id bigint not null,
  -- what it is for; also the user that it acts as
  name text not null,
  -- database user who made it
  created_by text not null default SESSION_USER,
  -- when
  created_at timestamp with time zone not null default now(),
  -- from when on it does not count; null: it does not expire
  expires_at timestamp with time zone,
  -- when it was taken back; null: it was not
  revoked_at timestamp with time zone,
  constraint api_token_pkey PRIMARY KEY (token_hash),
  constraint api_token_name_check CHECK (length(btrim(name)) >= 1),
  constraint api_token_org_id_check CHECK (org_id > 0),
  constraint api_token_token_hash_check CHECK (octet_length(token_hash) = 32)
);

-- archives that were uploaded, one row each; the content is in the store under object_key until removed_at; written by retain, upload (who forgets, and who stores and removes)
create table archive (
  -- number of the archive
  archive_id bigint not null generated always as identity,
  -- what everybody knows the upload by: of the client, or made here
  request_id text collate "C" not null,
  -- the organization, from the identity of the request
  org_id bigint not null,
  -- the account of the identity, as it was given; empty: none
  account_number text not null default ''::text,
  -- who uploaded, as announcements say it: the organization
  principal text not null,
  -- the cluster, where the identity names one
  cluster text collate "C",
  -- whom the archive is for: openshift
  service text not null,
  -- what kind of archive it is for that service: periodic
  category text not null,
  -- content type of the file as the client gave it
  content_type text not null,
  -- bytes of the file
  size bigint not null,
  -- SHA-256 of the file
  sha256 bytea not null,
  -- where the content is: database (archive_chunk), folder or s3
  store text not null,
  -- the name of the content in the store
  object_key text collate "C" not null,
  -- the header x-rh-identity as it came
  b64_identity text not null,
  -- what the client said about the archive; null: nothing
  metadata jsonb,
  -- program that uploaded
  user_agent text,
  -- the first archive of the organization with the same content; null: this is it
  duplicate_of bigint,
  -- when the request began to arrive; becomes the time of the report
  received_at timestamp with time zone not null,
  -- when the content and this row were complete
  stored_at timestamp with time zone not null default now(),
  -- when the content was removed from the store; null: it is kept
  removed_at timestamp with time zone,
  -- since when it is to be forgotten (forget()): it goes with its content; null: it is not
  forgotten_at timestamp with time zone,
  -- trace that it goes on in, in the form of W3C Trace Context; null: none was started
  traceparent text,
  constraint archive_pkey PRIMARY KEY (archive_id),
  constraint archive_object_key_key UNIQUE (object_key),
  constraint archive_request_id_key UNIQUE (request_id),
  constraint archive_duplicate_of_fkey FOREIGN KEY (duplicate_of) REFERENCES archive(archive_id) ON DELETE SET NULL,
  constraint archive_request_id_check CHECK (request_id ~ '^[A-Za-z0-9._-]{1,128}$'::text),
  constraint archive_sha256_check CHECK (octet_length(sha256) = 32),
  constraint archive_size_check CHECK (size >= 0),
  constraint archive_store_check CHECK (store = ANY (ARRAY['database'::text, 'folder'::text, 's3'::text]))
);
CREATE INDEX archive_cluster_idx ON public.archive USING btree (cluster, received_at) WHERE (cluster IS NOT NULL);
CREATE INDEX archive_content_idx ON public.archive USING btree (org_id, sha256, archive_id);
CREATE INDEX archive_duplicate_idx ON public.archive USING btree (duplicate_of) WHERE (duplicate_of IS NOT NULL);
CREATE INDEX archive_forgotten_idx ON public.archive USING btree (store, forgotten_at) WHERE (forgotten_at IS NOT NULL);
CREATE INDEX archive_kept_idx ON public.archive USING btree (store, stored_at) WHERE (removed_at IS NULL);
CREATE INDEX archive_received_idx ON public.archive USING btree (received_at);
CREATE INDEX archive_stored_idx ON public.archive USING btree (stored_at);

-- contents of archives, in pieces, where the store is this database; written by fleet, upload: a new cell has none
create table archive_chunk (
  -- which object: archive.object_key
  object_key text collate "C" not null,
  -- which piece of it, from 0
  nth integer not null,
  -- the piece
  bytes bytea not null,
  -- when it was stored
  stored_at timestamp with time zone not null default now(),
  constraint archive_chunk_pkey PRIMARY KEY (object_key, nth),
  constraint archive_chunk_nth_check CHECK (nth >= 0)
);

-- the files of kept archives; rules see them as rows of files
create table archive_document (
  -- number of the archive
  archive_id bigint not null,
  -- name of the file in the archive
  path text collate "C" not null,
  -- what is in it, where that is JSON
  document jsonb,
  -- what is in it, where that is not
  body text,
  constraint archive_document_pkey PRIMARY KEY (archive_id, path),
  constraint archive_document_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES kept_archive(id) ON DELETE CASCADE,
  constraint archive_document_check CHECK (document IS NULL OR body IS NULL)
);

-- how long and how much of the contents of archives is kept (set_archive_limits); their rows stay longer (retention)
create table archive_limits (
  -- there is one row
  only_row boolean not null default true,
  -- how long a content is kept
  keep interval not null,
  -- how many bytes are kept together, the newest; null: no limit
  max_bytes bigint,
  -- who set it
  changed_by text not null default SESSION_USER,
  -- when it was set
  changed_at timestamp with time zone not null default now(),
  constraint archive_limits_pkey PRIMARY KEY (only_row),
  constraint archive_limits_keep_check CHECK (keep >= '01:00:00'::interval AND keep <= '100 years'::interval),
  constraint archive_limits_max_bytes_check CHECK (max_bytes > 0),
  constraint archive_limits_only_row_check CHECK (only_row)
);

-- what came and went in each hour of the last two days, as sweeps counted it; of the whole fleet
create table busy_hour (
  -- when the hour begins (UTC)
  hour timestamp with time zone not null,
  -- clusters whose newest report arrived in it, when they were counted
  reports bigint not null,
  -- messages decided in it
  notified bigint not null,
  -- reports of which nothing was notified
  skipped bigint not null,
  constraint busy_hour_pkey PRIMARY KEY (hour)
);

-- which share of the clusters this database has; adopt_cell() changes it, and forgets the others' rows
create table cell (
  -- keeps this table at one row
  only_row boolean not null default true,
  -- its name, which CCX_CELL has to repeat and the consumer group ends in; empty: the only database there is
  name text not null,
  -- the buckets of its clusters (bucket_of()), of 0 to 255
  buckets int4multirange not null,
  -- when it became this cell; null: it never had another share
  adopted_at timestamp with time zone,
  constraint cell_pkey PRIMARY KEY (only_row),
  constraint cell_buckets_check CHECK (buckets <@ '{[0,256)}'::int4multirange AND NOT isempty(buckets)),
  constraint cell_name_check CHECK (name ~ '^([a-z0-9][a-z0-9_-]{0,30})?$'::text),
  constraint cell_only_row_check CHECK (only_row)
);

-- whether a target is sent to: closed, or open since its receiver is down or asked for time; the view delivery_circuit explains it; written by decide, deliver: of a probe that is withdrawn nothing is left
create table circuit (
  -- the target
  target_id integer not null,
  -- how many settlements in a row said that the receiver is down
  failures integer not null default 0,
  -- which messages those were, as many as it takes to open the circuit: one that fails again and again counts once
  failed_messages bigint[] not null default '{}'::bigint[],
  -- since when it is open; null: closed
  opened_at timestamp with time zone,
  -- nothing is claimed before; then a few messages, as a probe
  retry_at timestamp with time zone,
  -- a worker has the probe; the end of its lease
  probe_until timestamp with time zone,
  -- the messages of that probe
  probe_messages bigint[] not null default '{}'::bigint[],
  -- how many probes failed since it opened
  failed_probes integer not null default 0,
  -- kind of the last failure
  last_failure text,
  -- what went wrong then, for people
  last_error text,
  -- when that was
  last_failed_at timestamp with time zone,
  constraint circuit_pkey PRIMARY KEY (target_id),
  constraint circuit_target_id_fkey FOREIGN KEY (target_id) REFERENCES event_targets(id) ON DELETE CASCADE,
  constraint circuit_check CHECK ((opened_at IS NULL) = (retry_at IS NULL)),
  constraint circuit_check1 CHECK (opened_at IS NOT NULL OR probe_until IS NULL AND failed_probes = 0)
) with (fillfactor=50);

-- clusters as their owners know them, filled by hand or from a file; a cluster that is missing here has its id for a name and is not managed
create table cluster_registry (
  -- the cluster, in lower case
  cluster text collate "C" not null,
  -- the organization that it is registered for; counts only while that owns the cluster
  org_id bigint not null,
  -- its name for people
  display_name text not null,
  -- somebody manages it for the customer, who is shown only rules tagged osd_customer
  managed boolean not null default false,
  -- state of its subscription; a cluster that is Archived, Deprovisioned or Reserved is not listed
  status text not null default 'Active'::text,
  -- when this was last changed
  changed_at timestamp with time zone not null default now(),
  -- where it comes from; null: by hand, and then no source changes it
  source text collate "C",
  constraint cluster_registry_pkey PRIMARY KEY (cluster, org_id),
  constraint cluster_registry_source_fkey FOREIGN KEY (source) REFERENCES registry_source(source) ON UPDATE CASCADE ON DELETE SET NULL,
  constraint cluster_registry_cluster_check CHECK (cluster = lower(cluster)),
  constraint cluster_registry_display_name_check CHECK (length(display_name) >= 1 AND length(display_name) <= 255),
  constraint cluster_registry_org_id_check CHECK (org_id > 0),
  constraint cluster_registry_status_check CHECK (length(status) >= 1 AND length(status) <= 64)
);
CREATE INDEX cluster_registry_org_idx ON public.cluster_registry USING btree (org_id);
CREATE INDEX cluster_registry_source_idx ON public.cluster_registry USING btree (source) WHERE (source IS NOT NULL);

-- rules that are switched off for one cluster, as the aggregator keeps them; written by compat, results, silence: what customers and operators ask for, or the aggregator's copied
create table cluster_rule_toggle (
  -- the cluster
  cluster_id text not null,
  -- the rule, in any of its spellings
  rule_id text not null,
  -- which of the rule's problems; empty: all of them
  error_key text not null default ''::text,
  -- the organization, as text; 0: whoever owns the cluster
  org_id text not null default '0'::text,
  -- 1: switched off
  disabled smallint not null,
  -- since when it is off
  disabled_at timestamp with time zone,
  -- since when it is on again
  enabled_at timestamp with time zone,
  -- when it was last changed
  updated_at timestamp with time zone,
  constraint cluster_rule_toggle_pkey PRIMARY KEY (cluster_id, rule_id, error_key),
  constraint cluster_rule_toggle_disabled_check CHECK (disabled = ANY (ARRAY[0, 1]))
);
CREATE INDEX cluster_rule_toggle_org_idx ON public.cluster_rule_toggle USING btree (org_id) WHERE (disabled = 1);
CREATE TRIGGER _100_acknowledgement AFTER INSERT OR DELETE OR UPDATE ON cluster_rule_toggle FOR EACH ROW EXECUTE FUNCTION ccx.tg_cluster_rule_toggle__acknowledgement();
CREATE TRIGGER _200_emptied AFTER TRUNCATE ON cluster_rule_toggle FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_acknowledgement__emptied();

-- what users think of an issue of a cluster: a vote and a text
create table cluster_rule_user_feedback (
  -- the cluster
  cluster_id text collate "C" not null,
  -- the rule as reports spell it (x.report)
  rule_id text not null,
  -- which of the rule's problems
  error_key text not null,
  -- the user, as the identity names him
  user_id text not null,
  -- organization of the user
  org_id bigint not null,
  -- what the user says
  message text not null default ''::text,
  -- 1 like, -1 dislike, 0 neither
  user_vote smallint not null default 0,
  -- when the first vote or text came
  added_at timestamp with time zone not null default now(),
  -- when the last one came
  updated_at timestamp with time zone not null default now(),
  constraint cluster_rule_user_feedback_pkey PRIMARY KEY (cluster_id, rule_id, error_key, user_id, org_id),
  constraint cluster_rule_user_feedback_message_check CHECK (octet_length(message) <= 255),
  constraint cluster_rule_user_feedback_user_vote_check CHECK (user_vote >= '-1'::integer AND user_vote <= 1)
);

-- why users switched a rule off for a cluster
create table cluster_user_rule_disable_feedback (
  -- the cluster
  cluster_id text collate "C" not null,
  -- the rule as reports spell it (x.report)
  rule_id text not null,
  -- which of the rule's problems
  error_key text not null,
  -- the user, as the identity names him
  user_id text not null,
  -- organization of the user
  org_id bigint not null,
  -- why
  message text not null,
  -- when that was first said
  added_at timestamp with time zone not null default now(),
  -- when it was last said
  updated_at timestamp with time zone not null default now(),
  constraint cluster_user_rule_disable_feedback_pkey PRIMARY KEY (cluster_id, rule_id, error_key, user_id, org_id),
  constraint cluster_user_rule_disable_feedback_message_check CHECK (octet_length(message) <= 255)
);
CREATE INDEX cluster_user_rule_disable_feedback_user_idx ON public.cluster_user_rule_disable_feedback USING btree (org_id, user_id);

-- what people did in the console; only ever added to
create table console_act (
  -- number of the act
  id bigint not null generated always as identity,
  -- when
  at timestamp with time zone not null default clock_timestamp(),
  -- who: the name of the person, with the database user in brackets
  person text not null default ccx.person(),
  -- what was done, for example: redrive
  act text not null,
  -- to what, and with which values
  details jsonb not null default '{}'::jsonb,
  constraint console_act_pkey PRIMARY KEY (id),
  constraint console_act_act_check CHECK (act <> ''::text)
);

-- how far each partition has been consumed; moves in the transaction that stores the messages, so Kafka's own offset never leads it; written by analyze, ingest
create table consumer_offset (
  -- Kafka topic
  topic text not null,
  -- partition of the topic
  partition integer not null,
  -- first offset that is not stored yet; its row lock keeps a zombie consumer out
  next_offset bigint not null,
  -- when it last moved
  updated_at timestamp with time zone not null default now(),
  -- where the partition ended when its last batch was fetched; null: not known yet
  high_watermark bigint,
  -- when that was stored
  high_watermark_at timestamp with time zone,
  -- more of the partition was known to follow: decisions on its reports wait for the rest
  is_behind boolean not null default false,
  -- when a report of it was last stored; null: never, or it has none (workloads)
  stored_at timestamp with time zone,
  constraint consumer_offset_pkey PRIMARY KEY (topic, partition),
  constraint consumer_offset_next_offset_check CHECK (next_offset >= 0),
  constraint consumer_offset_partition_check CHECK (partition >= 0)
) with (fillfactor=50);

-- how much of the content one load may change without a person who agrees (one row), and the latest load that changed something
create table content_guard (
  -- there is one row
  single boolean not null default true,
  -- a load that ends or changes more than this share of the rules and error keys in force, or holds or releases more than this share of the open issues, is refused; 1: never
  max_share numeric not null default 0.2,
  -- fewer rules and error keys than that are never too many
  min_rules integer not null default 3,
  -- fewer open issues than that are never too many
  min_issues integer not null default 10,
  -- until then the next load that would be refused is taken over; see accept_content()
  accepted_until timestamp with time zone,
  -- who agreed to that
  accepted_by text,
  -- from when on the latest load that changed something counts
  loaded_at timestamp with time zone,
  -- a person agreed to that load, so it is not looked at
  is_accepted boolean not null default false,
  -- since when loads of the worker are refused, as they would change too much; null: the latest one was taken
  held_since timestamp with time zone,
  -- what the latest of them would have done
  held_reason text,
  constraint content_guard_pkey PRIMARY KEY (single),
  constraint content_guard_held_check CHECK ((held_since IS NULL) = (held_reason IS NULL)),
  constraint content_guard_max_share_check CHECK (max_share >= 0::numeric AND max_share <= 1::numeric),
  constraint content_guard_min_issues_check CHECK (min_issues >= 1),
  constraint content_guard_min_rules_check CHECK (min_rules >= 1),
  constraint content_guard_single_check CHECK (single)
);
CREATE TRIGGER _200_issues AFTER UPDATE OF loaded_at ON content_guard FOR EACH ROW WHEN (NOT new.is_accepted) EXECUTE FUNCTION ccx.tg_content_guard__issues();

-- rules and error keys that the latest load left out, because they do not conform; refused_content shows them
create table content_refusal (
  -- bare name of the rule, as far as it can be stored
  rule_name text not null,
  -- which of its problems; null: the whole rule
  error_key text,
  -- everything that is wrong with it, one sentence each
  problems text[] not null,
  -- the first load in a row that left it out
  since timestamp with time zone not null,
  -- the folder or content service of the latest load
  source text not null,
  constraint content_refusal_rule_name_error_key_key UNIQUE NULLS NOT DISTINCT (rule_name, error_key),
  constraint content_refusal_problems_check CHECK (cardinality(problems) > 0)
);

-- clusters that wait for a decision; whoever holds the row lock decides, so a cluster is never decided twice at once
create table decision_due (
  -- organization that owns the cluster
  org_id bigint not null,
  -- the cluster
  cluster text collate "C" not null,
  -- since when it waits; in the future: until when it waits at most for the rest of backlog_of
  due_at timestamp with time zone not null default now(),
  -- a new report arrived (its outcome is written to reported); false: asked again because something else changed
  by_report boolean not null default false,
  -- topic/partition that held more messages when the report was stored: decided once it is caught up with, or from due_at on; null: waits for nothing
  backlog_of text collate "C",
  constraint decision_due_pkey PRIMARY KEY (cluster, org_id)
) with (fillfactor=70);
CREATE INDEX decision_due_backlog_idx ON public.decision_due USING btree (backlog_of) WHERE (backlog_of IS NOT NULL);
CREATE INDEX decision_due_order_idx ON public.decision_due USING btree (due_at);

-- decisions to be taken anew because something else than a report changed; clusters go from here to decision_due, so many at a time; written by decide, queue: a decision crosses off what it has expanded
create table decision_request (
  -- number of the request
  id bigint not null generated always as identity,
  -- what changed
  cause text not null,
  -- only clusters with issues of these rules; null: any
  rule_names text[],
  -- only this organization; null: any
  org_id bigint,
  -- only this cluster; null: any
  cluster text collate "C",
  -- only clusters with issues that this silence matches; null: any
  silence_id bigint,
  -- from when on
  due_at timestamp with time zone not null,
  -- clusters up to this one have been asked
  after_cluster text collate "C" not null default ''::text,
  -- database user whose change it was
  requested_by text not null default ccx.person(),
  constraint decision_request_pkey PRIMARY KEY (id),
  constraint decision_request_silence_id_fkey FOREIGN KEY (silence_id) REFERENCES silence(id) ON DELETE CASCADE
);
CREATE TRIGGER _900_wake AFTER INSERT ON decision_request FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_decision_request__wake();

-- rules that are disabled because the aggregator's database says so, not because somebody acknowledged them here
create table disabled_elsewhere (
  -- true: a row of cluster_rule_toggle, false: of rule_disable
  is_toggle boolean not null,
  -- the cluster, or the organization
  owner text not null,
  -- the rule, as it is spelt there
  rule_id text not null,
  -- its error key; empty: all of them
  error_key text not null,
  constraint disabled_elsewhere_pkey PRIMARY KEY (is_toggle, owner, rule_id, error_key)
);

-- values that texts lacked when they were rendered, by place of the template; doubtful_texts shows those in force; written by deliver, fleet, retain (which forget an example)
create table doubtful_text (
  -- version of the content
  content_id bigint not null,
  -- the target
  target_id integer not null,
  -- which of its texts
  text_name text not null,
  -- what stands between the braces of the tag
  place text not null,
  -- what the value was: missing, null, object, list, function, not_a_number; link: no address for a link
  kind text not null,
  -- when that was first
  since timestamp with time zone not null,
  -- when it last was
  last_at timestamp with time zone not null,
  -- in how many messages
  times bigint not null,
  -- the cluster of the last one
  example_cluster text collate "C" not null,
  -- the value of the last one, as far as there was one
  example text not null,
  constraint doubtful_text_pkey PRIMARY KEY (content_id, target_id, text_name, place, kind),
  constraint doubtful_text_content_id_fkey FOREIGN KEY (content_id) REFERENCES rule_content(id) ON DELETE CASCADE,
  constraint doubtful_text_target_id_fkey FOREIGN KEY (target_id) REFERENCES event_targets(id) ON DELETE CASCADE
);

-- specification of all event targets currently supported
create table event_targets (
  -- number used in reported.event_type_id and as target_id elsewhere
  id integer not null,
  -- name of the target
  name text not null,
  -- what the target is
  metainfo text not null,
  -- the task that delivers to it
  task text not null,
  constraint event_targets_pkey PRIMARY KEY (id),
  constraint event_targets_metainfo_key UNIQUE (metainfo),
  constraint event_targets_name_key UNIQUE (name),
  constraint event_targets_task_key UNIQUE (task)
);
CREATE TRIGGER _010_guard BEFORE DELETE ON event_targets FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('other programs know these rows, a migration changes them');
CREATE TRIGGER _011_guard BEFORE TRUNCATE ON event_targets FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_guard('other programs know these rows, a migration changes them');
CREATE TRIGGER _012_guard BEFORE UPDATE ON event_targets FOR EACH ROW WHEN (old.* IS DISTINCT FROM new.*) EXECUTE FUNCTION ccx.tg_guard('other programs know these rows, a migration changes them');

-- what the filter of a policy says about a version of rule content; worked out once, when either is written
create table filter_result (
  -- the policy
  policy_id bigint not null,
  -- the content
  content_id bigint not null,
  -- the filter lets it through
  passes boolean not null,
  -- why the filter could not be evaluated (then it does not let it through)
  error text,
  constraint filter_result_pkey PRIMARY KEY (policy_id, content_id),
  constraint filter_result_content_id_fkey FOREIGN KEY (content_id) REFERENCES rule_content(id) ON DELETE CASCADE,
  constraint filter_result_policy_id_fkey FOREIGN KEY (policy_id) REFERENCES policy(id) ON DELETE CASCADE
);

-- one row for each problem (rule and error key) that a cluster has or had; kept up to date as reports arrive; whoever changes it by hand sets latest_report.hits_hash to null, or reports with the same hits are passed over
create table issue (
  -- number of the issue; it keeps it when it goes and comes back
  id bigint not null generated always as identity,
  -- organization that owns the cluster
  org_id bigint not null,
  -- time of the first report that had it
  first_seen timestamp with time zone not null,
  -- time of the report with which its present occurrence began
  opened_at timestamp with time zone not null,
  -- time of the first report without it; null while it is open
  closed_at timestamp with time zone,
  -- which problem: rule and error key
  rule_id integer not null,
  -- how many times it has appeared: 1 = new, more = gone and back
  occurrence integer not null default 1,
  -- the cluster
  cluster text collate "C" not null,
  constraint issue_pkey PRIMARY KEY (id),
  constraint issue_cluster_org_id_rule_id_key UNIQUE (cluster, org_id, rule_id),
  constraint issue_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES rule(id) ON DELETE RESTRICT,
  constraint issue_occurrence_check CHECK (occurrence >= 1)
) with (fillfactor=90);
CREATE INDEX issue_org_idx ON public.issue USING btree (org_id, rule_id);
CREATE TRIGGER _050_referred AFTER DELETE ON issue REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_notified_issue__referred();
CREATE TRIGGER _060_referred AFTER TRUNCATE ON issue FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_notified_issue__referred();

-- archives whose documents are kept for a while, to try rules with
create table kept_archive (
  -- number of the archive
  id bigint not null generated always as identity,
  -- its analysis; null: it is gone
  analysis_id bigint,
  -- request id of the upload
  request_id text not null,
  -- organization that uploaded it
  org_id bigint not null,
  -- cluster it is about
  cluster text collate "C" not null,
  -- when it was announced
  announced_at timestamp with time zone not null,
  -- when its documents were stored
  kept_at timestamp with time zone not null,
  constraint kept_archive_pkey PRIMARY KEY (id),
  constraint kept_archive_request_id_key UNIQUE (request_id),
  constraint kept_archive_analysis_id_fkey FOREIGN KEY (analysis_id) REFERENCES analysis(id) ON DELETE SET NULL
);
CREATE INDEX kept_archive_analysis_idx ON public.kept_archive USING btree (analysis_id);
CREATE INDEX kept_archive_cluster_idx ON public.kept_archive USING btree (cluster);
CREATE INDEX kept_archive_kept_idx ON public.kept_archive USING btree (kept_at);

-- the newest readable report of each cluster; an older one that arrives late does not change it; written by issues, results, retain: retain() keeps its text when it drops its day, results notes a version
create table latest_report (
  -- organization that owns the cluster
  org_id bigint not null,
  -- the cluster
  cluster text collate "C" not null,
  -- time of its newest report
  updated_at timestamp with time zone not null,
  -- time of the newest report known before that one arrived
  previous_at timestamp with time zone,
  -- account number in the newest report
  account_number bigint not null default 0,
  -- when the newest report arrived
  received_at timestamp with time zone not null,
  -- time of the report with which the cluster moved to another organization: its issues are closed for this one; null: it is this organization's
  left_at timestamp with time zone,
  -- the organization that the cluster moved to
  moved_to bigint,
  -- the upload of its newest report; null: not known
  request_id text,
  -- when the cluster gathered that; null: not known
  gathered_at timestamp with time zone,
  -- OpenShift version in its newest report; null: not known
  cluster_version text,
  -- hash of its hits by the names that rules had when it came (hits_hash(), names_hash()); null: read the next report whole
  hits_hash bigint,
  -- they are those of the report before it, so nothing came or went
  has_same_hits boolean not null default false,
  -- the newest report itself, once its day of new_reports is dropped; null: it is still there
  report text,
  constraint latest_report_pkey PRIMARY KEY (cluster, org_id),
  constraint latest_report_check CHECK ((left_at IS NULL) = (moved_to IS NULL))
) with (fillfactor=80);
CREATE INDEX latest_report_left_idx ON public.latest_report USING btree (org_id) WHERE (left_at IS NOT NULL);
CREATE INDEX latest_report_org_idx ON public.latest_report USING btree (org_id, cluster) WHERE (left_at IS NULL);

-- the version of the notification writer's schema, one row: what its own commands and others ask for
create table migration_info (
  -- 0 to 8; our tables are those of 8 and more, whatever it says
  version integer not null
);

-- new reports consumed from Kafka topic and stored to database in shrunk format; written by adopt, compat, decide, ingest, issues: import_reported() adds what only reported has, the trigger mends received_at
create table new_reports (
  -- organization that owns the cluster (OrgID)
  org_id bigint not null,
  -- AccountNumber of the message, 0 where the producer left it out
  account_number bigint not null default 0,
  -- cluster the report is about (ClusterName)
  cluster text collate "C" not null,
  -- the report without system, fingerprints, skips, info, pass and analysis_metadata; text because other programs write it too, not always JSON
  report text not null,
  -- the report's own time (LastChecked), so that a redelivered message meets its own row
  updated_at timestamp with time zone not null,
  -- offset of the message in its partition
  kafka_offset bigint not null default 0,
  -- when the content now stored arrived here
  received_at timestamp with time zone not null default now(),
  -- the upload that it was made from (RequestId of the message); null: not known
  request_id text,
  -- when the cluster gathered that upload (Metadata.gathering_time); null: not known
  gathered_at timestamp with time zone,
  -- OpenShift version of the cluster (item CLUSTER_VERSION_INFO of info); null: not known
  cluster_version text,
  -- the trace that its message came in (W3C Trace Context); null: none is known
  traceparent text,
  -- the hash of its hits (hits_hash()) as the consumer computed it; null: another program wrote it
  hits_hash bigint,
  constraint new_reports_pkey PRIMARY KEY (org_id, cluster, updated_at)
) partition by RANGE (updated_at);
CREATE TRIGGER _010_spelling BEFORE INSERT ON new_reports FOR EACH ROW WHEN (new.cluster <> lower(new.cluster)) EXECUTE FUNCTION ccx.tg_new_reports__spelling();
CREATE TRIGGER _020_kept BEFORE UPDATE OF org_id, cluster, updated_at ON new_reports FOR EACH ROW WHEN (old.org_id IS DISTINCT FROM new.org_id OR old.cluster IS DISTINCT FROM new.cluster OR old.updated_at IS DISTINCT FROM new.updated_at) EXECUTE FUNCTION ccx.tg_new_reports__kept();
CREATE TRIGGER _030_kept AFTER DELETE ON new_reports REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_new_reports__kept();
CREATE TRIGGER _100_issues_of_inserted AFTER INSERT ON new_reports REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_new_reports__issues();
CREATE TRIGGER _100_issues_of_replaced AFTER UPDATE ON new_reports REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_new_reports__issues();

-- reports of days that have no partition: older than what ensure_partition() makes room for
create table new_reports_default partition of new_reports DEFAULT;

-- the outbox: one row for each message to send; stays when it is sent, as the record of it; written by compat, decide, deliver: a decision queues it in its own transaction, deliveries move it on
create table notification (
  -- number of the message
  id bigint not null generated by default as identity,
  -- organization that is notified
  org_id bigint not null,
  -- account number of that organization, 0 when unknown
  account_number bigint not null,
  -- time of the report it was decided from
  updated_at timestamp with time zone not null,
  -- when it was decided
  decided_at timestamp with time zone not null,
  -- when it may be tried (again); while a worker has it, the end of its lease
  next_attempt_at timestamp with time zone not null,
  -- the message that it repeats under an id of its own; null: it is none of that kind
  replay_of bigint,
  -- when it was first handed to a worker that may have sent it: the message's own timestamp, from which receivers remember its id for a day
  first_tried_at timestamp with time zone,
  -- a worker has it until then; null: nobody has it
  leased_until timestamp with time zone,
  -- when it was sent or given up
  ended_at timestamp with time zone,
  -- when a person last put it back after it had been given up
  redriven_at timestamp with time zone,
  -- id the receiver sees, the same on every try, so that it can drop a repeated one
  message_id uuid not null default ccx.new_message_id(),
  -- where it goes
  target_id integer not null,
  -- how many times it was handed to a worker
  attempts integer not null default 0,
  -- attempts before it was redriven; the back-off starts anew
  attempts_before integer not null default 0,
  -- it notifies of issues that are gone
  resolved boolean not null default false,
  -- an earlier try may have reached the receiver, so that id and bytes stay as they were
  may_be_out boolean not null default false,
  -- cluster it is about
  cluster text collate "C" not null,
  -- pending, sent, dead (given up, with the reason in failure and last_error), or withdrawn (nothing of it was left to notify when it could go out; notified_issue.left_out_reasons)
  state text not null default 'pending'::text,
  -- what kind of failure the last one was
  failure text,
  -- what went wrong the last time, for people
  last_error text,
  -- what the receiver answered: partition and offset, or the id of the Service Log entry
  result jsonb,
  -- the trace of the report that it was decided on (W3C Trace Context); null: none is known
  traceparent text,
  constraint notification_pkey PRIMARY KEY (id),
  constraint notification_message_id_key UNIQUE (message_id),
  constraint notification_replay_of_fkey FOREIGN KEY (replay_of) REFERENCES notification(id) ON DELETE CASCADE,
  constraint notification_check CHECK ((state = 'pending'::text) = (ended_at IS NULL)),
  constraint notification_dead_failure_check CHECK (state <> 'dead'::text OR failure IS NOT NULL),
  constraint notification_failure_check CHECK (failure = ANY (ARRAY['schema'::text, 'auth'::text, 'rate_limited'::text, 'client'::text, 'server'::text, 'timeout'::text, 'network'::text, 'broker'::text, 'template'::text, 'unsettled'::text])),
  constraint notification_state_check CHECK (state = ANY (ARRAY['pending'::text, 'sent'::text, 'dead'::text, 'withdrawn'::text]))
) with (fillfactor=70);
CREATE INDEX notification_cluster_idx ON public.notification USING btree (cluster, org_id, decided_at);
CREATE INDEX notification_dead_idx ON public.notification USING btree (target_id, ended_at) WHERE (state = 'dead'::text);
CREATE INDEX notification_decided_idx ON public.notification USING brin (decided_at);
CREATE INDEX notification_due_idx ON public.notification USING btree (target_id, next_attempt_at, id) WHERE (state = 'pending'::text);
CREATE INDEX notification_ended_idx ON public.notification USING brin (ended_at);
CREATE INDEX notification_pending_idx ON public.notification USING btree (target_id, cluster, decided_at) WHERE (state = 'pending'::text);
CREATE INDEX notification_replay_idx ON public.notification USING btree (replay_of) WHERE (replay_of IS NOT NULL);
CREATE TRIGGER _010_guard BEFORE DELETE ON notification FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('the outbox is what customers were sent, retain() deletes what is past');
CREATE TRIGGER _011_guard BEFORE TRUNCATE ON notification FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_guard('the outbox is what customers were sent, retain() deletes what is past');
CREATE TRIGGER _012_guard BEFORE UPDATE OF id, message_id, target_id, org_id, cluster, updated_at, decided_at, resolved, replay_of, traceparent ON notification FOR EACH ROW WHEN (old.id IS DISTINCT FROM new.id OR old.message_id IS DISTINCT FROM new.message_id OR old.target_id IS DISTINCT FROM new.target_id OR old.org_id IS DISTINCT FROM new.org_id OR old.cluster IS DISTINCT FROM new.cluster OR old.updated_at IS DISTINCT FROM new.updated_at OR old.decided_at IS DISTINCT FROM new.decided_at OR old.resolved IS DISTINCT FROM new.resolved OR old.replay_of IS DISTINCT FROM new.replay_of OR old.traceparent IS DISTINCT FROM new.traceparent) EXECUTE FUNCTION ccx.tg_guard('what was decided stays, redrive() and replay() send again');

-- list of all notification types used by Notification service
create table notification_types (
  -- number used in reported.notification_type
  id integer not null,
  -- name of the type; everything here is instant
  value text not null,
  -- how often, in cron form, as the existing tools expect it
  frequency text not null,
  -- what the type means
  comment text,
  constraint notification_types_pkey PRIMARY KEY (id),
  constraint notification_types_value_key UNIQUE (value)
);
CREATE TRIGGER _010_guard BEFORE DELETE ON notification_types FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('other programs know these rows, a migration changes them');
CREATE TRIGGER _011_guard BEFORE TRUNCATE ON notification_types FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_guard('other programs know these rows, a migration changes them');
CREATE TRIGGER _012_guard BEFORE UPDATE ON notification_types FOR EACH ROW WHEN (old.* IS DISTINCT FROM new.*) EXECUTE FUNCTION ccx.tg_guard('other programs know these rows, a migration changes them');

-- how many clusters each decision notified, by rule and in all, for the brake; the sweep deletes what is older than two hours; written by decide, ops
create table notified_count (
  -- the target
  target_id integer not null,
  -- the rule; null: all rules together
  rule_name text,
  -- how many clusters; rules that a person released do not count
  clusters integer not null,
  -- the time of the decision
  counted_at timestamp with time zone not null
);
CREATE INDEX notified_count_counted_idx ON public.notified_count USING btree (counted_at);

-- the ledger: which issue went into which notification; two live rows for one issue and target never overlap in their cooldown; written by decide, deliver, ledger: a decision taken again leaves issues out, a split moves them
create table notified_issue (
  -- the message
  notification_id bigint not null,
  -- the issue notified in it
  issue_id bigint not null,
  -- version of the rule's content that was notified
  content_id bigint not null,
  -- policy version in force at the decision
  policy_id bigint not null,
  -- when it was decided; a pending message counts as notified
  notified_at timestamp with time zone not null,
  -- when the issue was notified through the same target again; infinity: it was not
  superseded_at timestamp with time zone not null default 'infinity'::timestamp with time zone,
  -- the target it was notified to
  target_id integer not null,
  -- which occurrence of the issue was notified
  occurrence integer not null,
  -- it was notified that the issue is gone
  resolved boolean not null default false,
  -- false: the delivery was given up, so the issue does not count as notified
  live boolean not null generated always as (NOT upper_inf(voided)) stored,
  -- its message goes out without it: it had been notified again when that was redriven, or it was withdrawn
  left_out boolean not null default false,
  -- from notified_at until it may be notified again
  cooldown_period tstzrange not null,
  -- when it did not count as notified, since its delivery had been given up
  voided tstzmultirange not null default '{}'::tstzmultirange,
  -- why it was withdrawn: hold reasons, or gone, back, not_notified; null: it was not
  left_out_reasons text[],
  constraint notified_issue_pkey PRIMARY KEY (notification_id, issue_id),
  constraint notified_issue_notification_id_fkey FOREIGN KEY (notification_id) REFERENCES notification(id) ON DELETE CASCADE,
  constraint notified_issue_cooldown_check CHECK (cooldown_period @> notified_at),
  constraint notified_once_per_cooldown EXCLUDE USING gist (issue_id WITH =, target_id WITH =, cooldown_period WITH &&) WHERE (live AND NOT resolved)
);
CREATE INDEX notified_issue_cooldown_end_idx ON public.notified_issue USING btree (upper(cooldown_period)) WHERE (live AND (NOT resolved));
CREATE INDEX notified_issue_notified_idx ON public.notified_issue USING btree (issue_id, target_id, superseded_at);
CREATE UNIQUE INDEX resolved_once_per_occurrence ON public.notified_issue USING btree (issue_id, target_id, occurrence) WHERE (live AND resolved);
CREATE TRIGGER _010_guard BEFORE DELETE ON notified_issue FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('without its ledger an issue is notified again, retain() deletes what is past');
CREATE TRIGGER _011_guard BEFORE TRUNCATE ON notified_issue FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_guard('without its ledger an issue is notified again, retain() deletes what is past');
CREATE TRIGGER _012_guard BEFORE UPDATE OF notification_id, issue_id, target_id, notified_at, occurrence, content_id, policy_id, resolved ON notified_issue FOR EACH ROW WHEN (old.notification_id IS DISTINCT FROM new.notification_id OR old.issue_id IS DISTINCT FROM new.issue_id OR old.target_id IS DISTINCT FROM new.target_id OR old.notified_at IS DISTINCT FROM new.notified_at OR old.occurrence IS DISTINCT FROM new.occurrence OR old.content_id IS DISTINCT FROM new.content_id OR old.policy_id IS DISTINCT FROM new.policy_id OR old.resolved IS DISTINCT FROM new.resolved) EXECUTE FUNCTION ccx.tg_guard('what was notified stays');
CREATE TRIGGER _050_refers AFTER INSERT ON notified_issue REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_notified_issue__refers();
CREATE TRIGGER _060_refers AFTER UPDATE OF issue_id, content_id ON notified_issue FOR EACH ROW EXECUTE FUNCTION ccx.tg_notified_issue__refers();
CREATE TRIGGER _100_superseded AFTER INSERT ON notified_issue REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_notified_issue__superseded();
CREATE TRIGGER _110_superseded AFTER DELETE ON notified_issue REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_notified_issue__superseded();
CREATE TRIGGER _120_superseded AFTER UPDATE OF notified_at ON notified_issue FOR EACH ROW EXECUTE FUNCTION ccx.tg_notified_issue__superseded();

-- every time an issue appeared and went: by the reports' own time, and by when it became known here
create table occurrence (
  -- the issue
  issue_id bigint not null,
  -- 1 = new, more = gone and back
  occurrence integer not null,
  -- time of the report with which it began
  opened_at timestamp with time zone not null,
  -- time of the first report without it; null while it is open
  closed_at timestamp with time zone,
  -- when the report with which it began had arrived; decisions at that time and later see it
  known_from timestamp with time zone not null,
  -- when the first report without it had arrived; decisions at that time and later see it gone
  known_until timestamp with time zone,
  constraint occurrence_pkey PRIMARY KEY (issue_id, occurrence),
  constraint occurrence_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES issue(id) ON DELETE CASCADE,
  constraint occurrence_check CHECK (known_until >= known_from),
  constraint occurrence_check1 CHECK ((closed_at IS NULL) = (known_until IS NULL)),
  constraint occurrence_occurrence_check CHECK (occurrence >= 1)
) with (fillfactor=90);
CREATE INDEX occurrence_known_from_idx ON public.occurrence USING brin (known_from);

-- which organizations a database user sees who is in the role ccx_reader; without a row he sees none
create table organization_reader (
  -- name of the database user, as current_user has it
  reader name collate "C" not null,
  -- an organization that he sees; null: all of them
  org_id bigint,
  constraint organization_reader_reader_org_id_key UNIQUE NULLS NOT DISTINCT (reader, org_id)
);

-- who is notified of what, per target; a change is a new version (set_policy), the old one keeps its time
create table policy (
  -- number of this version
  id bigint not null generated always as identity,
  -- the target it is for
  target_id integer not null,
  -- the organization it is for; null: all of them
  org_id bigint,
  -- the rule it is for; null: all of them. The narrowest policy wins: organization and rule, organization, rule, target
  rule_name text,
  -- false: nothing goes to this target
  enabled boolean not null default true,
  -- least total risk that is notified, 0 to 4
  total_risk_threshold smallint not null default 0,
  -- least likelihood that is notified, 0 to 4
  likelihood_threshold smallint not null default 0,
  -- least impact that is notified, 0 to 4
  impact_threshold smallint not null default 0,
  -- least severity that is notified; the severity of every rule is 0 today
  severity_threshold smallint not null default 0,
  -- expression in place of the thresholds, which are its variables: issues are notified where it is greater than 0 (docs/reference/policy-settings.md#filters)
  filter text,
  -- the filter as compile_filter() reads it
  compiled_filter text[] generated always as (ccx.compile_filter(filter)) stored,
  -- tags that a rule must all have to be notified
  required_tags text[] not null default '{}'::text[],
  -- the only clusters that are notified of; null: all of them
  allowed_clusters text[],
  -- clusters that are not notified of
  blocked_clusters text[] not null default '{}'::text[],
  -- how long an issue that was notified is not notified again; 0 notifies with every report
  cooldown interval not null,
  -- least time between two messages about one cluster
  spacing interval not null default '00:00:00'::interval,
  -- most issues in one message; the rest goes into further messages
  max_events integer not null default 100,
  -- a message that waited longer, and is certainly not out, is decided again before it is sent; that of the target counts
  decide_again_after interval not null default '00:05:00'::interval,
  -- so many occurrences within flapping_window make an issue flapping
  flapping_occurrences smallint not null default 4,
  -- the time in which flapping_occurrences are counted
  flapping_window interval not null default '1 day'::interval,
  -- notify: flapping issues are notified like others; damp: they are held while they flap
  flapping_action text not null default 'notify'::text,
  -- while the newest report of a cluster is older, nothing of it is notified; 24 hours unless set; null: however old it is
  max_report_age interval default '24:00:00'::interval,
  -- the brake: this share of the clusters may be notified of one rule within an hour, twice as many of all rules; null: no brake (docs/guides/storms.md)
  storm_share numeric default 0.05,
  -- so many clusters may be notified of one rule within an hour, however few report; that of the target counts
  storm_minimum integer not null default 1000,
  -- the brake holds nothing before, for the first days of an installation; null: it always works
  storm_from timestamp with time zone,
  -- send: a text that lacks a value goes out; hold: its issue is held as render_failed (view doubtful_texts)
  doubtful_texts text not null default 'send'::text,
  -- true: an issue that was notified and went is notified as resolved, from the change on
  notify_resolved boolean not null default false,
  -- since when notify_resolved is set; what went before is not notified
  notify_resolved_since timestamp with time zone,
  -- true: the event type resolved-recommendation is registered at the notifications backend, which drops messages of any other
  receiver_knows_resolved boolean not null default false,
  -- when this version was the one in force; open-ended for the present one
  validity tstzrange not null,
  -- database user who made the change
  changed_by text not null default ccx.person(),
  -- why it was made
  reason text not null,
  -- database user who ended it without a successor
  ended_by text,
  -- why it was ended
  end_reason text,
  constraint policy_pkey PRIMARY KEY (id),
  constraint policy_target_id_fkey FOREIGN KEY (target_id) REFERENCES event_targets(id) ON DELETE RESTRICT,
  constraint policy_allowed_clusters_check CHECK (array_position(allowed_clusters, NULL::text) IS NULL),
  constraint policy_blocked_clusters_check CHECK (array_position(blocked_clusters, NULL::text) IS NULL),
  constraint policy_cooldown_check CHECK (cooldown >= '00:00:00'::interval AND cooldown <= '100 years'::interval),
  constraint policy_decide_again_after_check CHECK (decide_again_after >= '00:00:00'::interval AND decide_again_after <= '100 years'::interval),
  constraint policy_doubtful_texts_check CHECK (doubtful_texts = ANY (ARRAY['send'::text, 'hold'::text])),
  constraint policy_end_reason_check CHECK (length(btrim(end_reason)) >= 5),
  constraint policy_flapping_action_check CHECK (flapping_action = ANY (ARRAY['notify'::text, 'damp'::text])),
  constraint policy_flapping_occurrences_check CHECK (flapping_occurrences >= 2 AND flapping_occurrences <= 1000),
  constraint policy_flapping_window_check CHECK (flapping_window >= '00:00:01'::interval AND flapping_window <= '100 years'::interval),
  constraint policy_impact_threshold_check CHECK (impact_threshold >= 0 AND impact_threshold <= 4),
  constraint policy_likelihood_threshold_check CHECK (likelihood_threshold >= 0 AND likelihood_threshold <= 4),
  constraint policy_max_events_check CHECK (max_events >= 1 AND max_events <= 1000),
  constraint policy_max_report_age_check CHECK (max_report_age >= '00:01:00'::interval AND max_report_age <= '100 years'::interval),
  constraint policy_notify_resolved_check CHECK (notify_resolved = (notify_resolved_since IS NOT NULL)),
  constraint policy_org_id_check CHECK (org_id > 0),
  constraint policy_reason_check CHECK (length(btrim(reason)) >= 5),
  constraint policy_receiver_knows_resolved_check CHECK (NOT notify_resolved OR receiver_knows_resolved OR target_id <> 1),
  constraint policy_required_tags_check CHECK (array_position(required_tags, NULL::text) IS NULL),
  constraint policy_rule_name_check CHECK (rule_name = ccx.rule_name(rule_name) AND rule_name <> ''::text),
  constraint policy_severity_threshold_check CHECK (severity_threshold >= 0 AND severity_threshold <= 4),
  constraint policy_spacing_check CHECK (spacing >= '00:00:00'::interval AND spacing <= '100 years'::interval),
  constraint policy_storm_minimum_check CHECK (storm_minimum >= 1 AND storm_minimum <= 1000000000),
  constraint policy_storm_share_check CHECK (storm_share > 0::numeric AND storm_share <= 1::numeric),
  constraint policy_total_risk_threshold_check CHECK (total_risk_threshold >= 0 AND total_risk_threshold <= 4),
  constraint policy_validity_check CHECK (NOT isempty(validity)),
  constraint policy_one_in_force EXCLUDE USING gist (target_id WITH =, COALESCE(org_id, 0::bigint) WITH =, COALESCE(rule_name, ''::text) WITH =, validity WITH &&)
);
CREATE TRIGGER _100_history BEFORE DELETE OR UPDATE ON policy FOR EACH ROW EXECUTE FUNCTION ccx.tg_policy__history();
CREATE TRIGGER _110_withdrawn AFTER DELETE ON policy FOR EACH ROW EXECUTE FUNCTION ccx.tg_policy__withdrawn();
CREATE TRIGGER _120_history BEFORE TRUNCATE ON policy FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_policy__history();
CREATE TRIGGER _200_filter_results AFTER INSERT ON policy REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_policy__filter_results();

-- errors that are detected during new reports collection; written by compat, issues: a clean-up deletes them
create table read_errors (
  -- number of the error
  error_id bigint not null generated always as identity,
  -- organization of the report
  org_id bigint not null,
  -- cluster of the report
  cluster text collate "C" not null,
  -- time of the report: the row of new_reports that could not be read (no foreign key, so that a day of reports can be dropped at once)
  updated_at timestamp with time zone not null,
  -- why the report could not be read
  error_text text not null,
  -- when that was noticed
  created_at timestamp with time zone not null default now(),
  constraint read_errors_pkey PRIMARY KEY (error_id),
  constraint read_errors_error_text_check CHECK (length(error_text) <= 1000)
);
CREATE INDEX read_errors_report_idx ON public.read_errors USING btree (org_id, cluster, updated_at);

-- what the registry of clusters is filled from, and how the last load went
create table registry_source (
  -- its name: file, http, or another that load_registry() was given
  source text collate "C" not null,
  -- a load that would change and remove more than this part of its clusters needs a person who agrees
  max_share numeric not null default 0.2,
  -- fewer than so many need nobody
  min_clusters integer not null default 10,
  -- SHA-256 of the URL that it was fetched from; null: by no URL
  location_hash bytea,
  -- what that named the version which was loaded; null: ask without it
  etag text,
  -- when that said it had changed; null: ask without it
  last_modified text,
  -- when it was last loaded; null: never
  loaded_at timestamp with time zone,
  -- by whom
  loaded_by text,
  -- how many lines were left out then
  refused integer not null default 0,
  -- what is wrong with the first 100 of them
  problems text[] not null default '{}'::text[],
  -- since when later loads fail; null: none did
  failed_at timestamp with time zone,
  -- why it failed
  failure text,
  -- when it was last asked, or read from a file, whatever came of it; null: never
  asked_at timestamp with time zone,
  -- how often somebody means to ask it, as a worker with CCX_REGISTRY_URL does; null: nobody said that he would
  asked_every interval,
  constraint registry_source_pkey PRIMARY KEY (source),
  constraint registry_source_asked_every_check CHECK (asked_every > '00:00:00'::interval),
  constraint registry_source_check CHECK ((failed_at IS NULL) = (failure IS NULL)),
  constraint registry_source_check1 CHECK (asked_every IS NULL OR asked_at IS NOT NULL),
  constraint registry_source_max_share_check CHECK (max_share >= 0::numeric AND max_share <= 1::numeric),
  constraint registry_source_min_clusters_check CHECK (min_clusters >= 1),
  constraint registry_source_refused_check CHECK (refused >= 0),
  constraint registry_source_source_check CHECK (length(source) >= 1 AND length(source) <= 64)
);

-- messages that do not conform, with everything needed to look at them and to try them again
create table rejected_message (
  -- number of the rejected message
  id bigint not null generated always as identity,
  -- Kafka topic
  topic text not null,
  -- partition of the topic
  partition integer not null,
  -- what the topic carries: results (reports) or workloads; says how a retry reads the message
  stream text not null default 'results'::text,
  -- offset of the message in its partition
  kafka_offset bigint not null,
  -- why, from a fixed vocabulary (docs/reference/reasons.md)
  reason text not null,
  -- why, as a sentence that names the field
  detail text not null,
  -- raw bytes of the message key
  key bytea,
  -- raw bytes of the message as received; null for a tombstone
  value bytea,
  -- Kafka headers, values in base64
  headers jsonb not null default '{}'::jsonb,
  -- when it arrived the first time
  received_at timestamp with time zone not null default now(),
  -- organization in it, where that could be read
  org_id bigint,
  -- cluster in it, where that could be read
  cluster text collate "C",
  -- the upload that it is about, where that could be read: the results API answers that it failed
  request_id text,
  -- how many times it was tried: once when it arrived, and with every retry
  attempts integer not null default 1,
  -- when it was tried again last
  retried_at timestamp with time zone,
  -- when a retry stored it; null: it is still rejected
  stored_at timestamp with time zone,
  -- when the service tries it again by itself, since time may mend what was wrong; null: it does not
  retry_due_at timestamp with time zone,
  -- when it may go to the dead-letter topic, or the lease of the worker that has it ends; null: it need not go (any more)
  dead_letter_due_at timestamp with time zone default now(),
  -- when it was written to the dead-letter topic
  dead_lettered_at timestamp with time zone,
  -- why it cannot go to the dead-letter topic
  dead_letter_error text,
  constraint rejected_message_pkey PRIMARY KEY (id),
  constraint rejected_message_attempts_check CHECK (attempts > 0),
  constraint rejected_message_reason_check CHECK (reason = ANY (ARRAY['tombstone'::text, 'empty'::text, 'too_large'::text, 'bad_compression'::text, 'invalid_utf8'::text, 'nul_character'::text, 'invalid_surrogate'::text, 'too_deep'::text, 'invalid_number'::text, 'not_json'::text, 'not_object'::text, 'missing_org_id'::text, 'invalid_org_id'::text, 'invalid_account_number'::text, 'missing_cluster_name'::text, 'invalid_cluster_name'::text, 'missing_report'::text, 'invalid_report'::text, 'missing_last_checked'::text, 'invalid_last_checked'::text, 'future_last_checked'::text, 'invalid_version'::text, 'not_storable'::text, 'unreadable_batch'::text, 'timed_out'::text])),
  constraint rejected_message_stream_check CHECK (stream = ANY (ARRAY['results'::text, 'workloads'::text]))
);
CREATE INDEX rejected_message_dead_letter_due ON public.rejected_message USING btree (dead_letter_due_at) WHERE (dead_letter_due_at IS NOT NULL);
CREATE INDEX rejected_message_org_id ON public.rejected_message USING btree (org_id) WHERE (org_id IS NOT NULL);
CREATE INDEX rejected_message_position ON public.rejected_message USING btree (topic, partition, kafka_offset);
CREATE INDEX rejected_message_received_at ON public.rejected_message USING btree (received_at);
CREATE INDEX rejected_message_retry_due ON public.rejected_message USING btree (retry_due_at) WHERE ((retry_due_at IS NOT NULL) AND (stored_at IS NULL));

-- rules that go on under another name (rename_rule()): a report that still has the old name counts as one with the new; written by content, issues: a load that brings the old name back beside the new ends it
create table renamed_rule (
  -- the rule as reports spelled it before
  component text not null,
  -- as they spell it now
  new_component text not null,
  -- bare name of the rule before
  old_name text not null generated always as (ccx.rule_name(component)) stored,
  -- its bare name now
  new_name text not null generated always as (ccx.rule_name(new_component)) stored,
  -- when it was renamed
  renamed_at timestamp with time zone not null default now(),
  -- database user who did
  renamed_by text not null default SESSION_USER,
  -- from when on the old name stands for a rule of its own again; null: it stands for the new name
  ended_at timestamp with time zone,
  constraint renamed_rule_pkey PRIMARY KEY (component),
  constraint renamed_rule_check CHECK (new_component <> component)
);
CREATE INDEX renamed_rule_new_idx ON public.renamed_rule USING btree (new_component);

-- issues whose texts could not be rendered, or do not fit into a message alone; they are held for a day, or until the content changes or the issue comes back
create table render_failure (
  -- the issue
  issue_id bigint not null,
  -- the target it was rendered for
  target_id integer not null,
  -- the content version with the templates
  content_id bigint not null,
  -- which occurrence of the issue
  occurrence integer not null,
  -- when
  failed_at timestamp with time zone not null,
  -- which template failed, and how
  error text not null,
  -- until when this occurrence is held for it, unless the content changes
  held_period tstzrange not null generated always as (ccx.cooldown_period(failed_at, '24:00:00'::interval)) stored,
  constraint render_failure_pkey PRIMARY KEY (issue_id, target_id, content_id, occurrence, failed_at),
  constraint render_failure_content_id_fkey FOREIGN KEY (content_id) REFERENCES rule_content(id) ON DELETE CASCADE,
  constraint render_failure_issue_id_fkey FOREIGN KEY (issue_id) REFERENCES issue(id) ON DELETE CASCADE,
  constraint render_failure_target_id_fkey FOREIGN KEY (target_id) REFERENCES event_targets(id) ON DELETE RESTRICT,
  constraint held_once EXCLUDE USING gist (issue_id WITH =, target_id WITH =, content_id WITH =, occurrence WITH =, held_period WITH &&)
);
CREATE INDEX render_failure_held_until_idx ON public.render_failure USING btree (upper(held_period));

-- notifications reported to user or skipped due to some conditions; written by compat, decide, deliver: a decision that notifies nobody is over at once, any other when its delivery ends
create table reported (
  -- organization that owns the cluster
  org_id bigint not null,
  -- account number, 0 when unknown
  account_number bigint not null,
  -- the cluster
  cluster text collate "C" not null,
  -- always 1, instant
  notification_type integer not null,
  -- 1 sent, 2 same (held back), 3 lower (nothing qualifies by policy), 4 error (delivery given up)
  state integer not null,
  -- the report for sent and error, empty for same and lower
  report text not null,
  -- time of the report
  updated_at timestamp with time zone not null,
  -- when it was decided
  notified_at timestamp with time zone not null,
  -- what went wrong, empty when nothing did
  error_log text,
  -- the target
  event_type_id integer not null,
  constraint reported_pkey PRIMARY KEY (org_id, cluster, notified_at, event_type_id),
  constraint reported_event_type_id_fkey FOREIGN KEY (event_type_id) REFERENCES event_targets(id) ON DELETE RESTRICT,
  constraint reported_notification_type_check CHECK (notification_type = 1),
  constraint reported_state_check CHECK (state >= 1 AND state <= 4)
) partition by RANGE (notified_at);
CREATE INDEX reported_notified_idx ON public.reported USING brin (notified_at);
CREATE TRIGGER _100_elsewhere AFTER INSERT ON reported FOR EACH ROW WHEN (new.state = 1 AND current_setting('ccx.recording'::text, true) IS DISTINCT FROM 'on'::text) EXECUTE FUNCTION ccx.tg_reported__elsewhere();

-- decisions of days that have no partition
create table reported_default partition of reported DEFAULT;

-- rows of reported that another program sent and whose issues are not all in the ledger yet: their content is not known, or ours runs in shadow mode; written by adopt, decide, ops
create table reported_elsewhere (
  -- as in reported
  org_id bigint not null,
  -- as in reported
  cluster text collate "C" not null,
  -- as in reported
  notified_at timestamp with time zone not null,
  -- as reported.event_type_id
  target_id integer not null,
  constraint reported_elsewhere_pkey PRIMARY KEY (org_id, cluster, notified_at, target_id)
);
CREATE INDEX reported_elsewhere_cluster_idx ON public.reported_elsewhere USING btree (lower(cluster));
CREATE INDEX reported_elsewhere_notified_idx ON public.reported_elsewhere USING btree (notified_at);

-- how long each table that grows keeps its rows (set_retention); what a decision may look back at is kept for longer; a row cannot be deleted
create table retention (
  -- the table: new_reports and reported by days; latest_report and workload_report by clusters that stopped reporting; notification (with the ledger), archive (once its content is gone) and all others by rows
  parent text not null,
  -- how long after its day has ended, or the row was written; notification, occurrence and render_failure are kept for the longest cooldown on top
  keep interval not null,
  -- who set it
  changed_by text not null default ccx.person(),
  -- when it was set
  changed_at timestamp with time zone not null default now(),
  constraint retention_pkey PRIMARY KEY (parent),
  constraint retention_keep_check CHECK (keep >= '1 day'::interval AND keep <= '100 years'::interval),
  constraint retention_parent_check CHECK (parent = ANY (ARRAY['new_reports'::text, 'reported'::text, 'rejected_message'::text, 'read_errors'::text, 'notification'::text, 'occurrence'::text, 'render_failure'::text, 'worker'::text, 'archive'::text, 'upload_message'::text, 'analysis'::text, 'kept_archive'::text, 'latest_report'::text, 'workload_report'::text]))
);
CREATE TRIGGER _100_kept BEFORE DELETE ON retention FOR EACH ROW EXECUTE FUNCTION ccx.tg_retention__kept();
CREATE TRIGGER _110_kept BEFORE TRUNCATE ON retention FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_retention__kept();

-- every rule and error key that any report has named
create table rule (
  -- number used in issue.rule_id
  id integer not null generated always as identity,
  -- the rule as reports spell it, for example ccx_rules_ocp.external.rules.x.report
  component text not null,
  -- which of the rule's problems
  error_key text not null,
  -- bare name of the rule, by which its content is found
  rule_name text not null generated always as (ccx.rule_name(component)) stored,
  constraint rule_pkey PRIMARY KEY (id),
  constraint rule_component_error_key_key UNIQUE (component, error_key),
  constraint rule_component_check CHECK (length(component) >= 1 AND length(component) <= 255),
  constraint rule_error_key_check CHECK (length(error_key) >= 1 AND length(error_key) <= 255)
);
CREATE INDEX rule_name_idx ON public.rule USING btree (rule_name, error_key);

-- what a rule says about an error key: risk, tags, texts; a change is a new version, the old one keeps its time
create table rule_content (
  -- number of this version
  id bigint not null generated always as identity,
  -- bare name of the rule (folder name of the content)
  rule_name text not null,
  -- which of the rule's problems
  error_key text not null,
  -- full dotted name of the rule
  python_module text not null,
  -- the problem in one line
  description text not null,
  -- the problem for readers without a cluster at hand
  generic text not null default ''::text,
  -- what it is about, short
  summary text not null default ''::text,
  -- why this cluster is affected
  reason text not null default ''::text,
  -- what to do about it
  resolution text not null default ''::text,
  -- where to read on
  more_info text not null default ''::text,
  -- how bad it is: 1 to 4
  impact smallint not null,
  -- how likely it is to strike: 1 to 4
  likelihood smallint not null,
  -- (impact + likelihood) / 2, rounded down: 1 low, 2 moderate, 3 important, 4 critical
  total_risk smallint not null generated always as (((impact + likelihood) / 2)) stored,
  -- active, or inactive: not to be notified
  status text not null default 'active'::text,
  -- when the rule was published
  publish_date timestamp with time zone,
  -- what the rule is about, for required_tags of a policy
  tags text[] not null default '{}'::text[],
  -- how the source calls the impact, for example Data Loss
  impact_name text not null default ''::text,
  -- how risky it is to do something about it: 1 to 4; 0: not known
  resolution_risk smallint not null default 0,
  -- the rule's name for people
  plugin_name text not null default ''::text,
  -- number of the article about it in the knowledge base
  node_id text not null default ''::text,
  -- product that the rule is about
  product_code text not null default ''::text,
  -- the texts that the rule has for all its error keys: {generic, summary, reason, resolution, more_info}; a null says that it is the text of this error key
  rule_texts jsonb not null default '{}'::jsonb,
  -- when this version was the one in force; open-ended for the present one
  validity tstzrange not null,
  constraint rule_content_pkey PRIMARY KEY (id),
  constraint rule_content_impact_check CHECK (impact >= 1 AND impact <= 4),
  constraint rule_content_likelihood_check CHECK (likelihood >= 1 AND likelihood <= 4),
  constraint rule_content_resolution_risk_check CHECK (resolution_risk >= 0 AND resolution_risk <= 4),
  constraint rule_content_status_check CHECK (status = ANY (ARRAY['active'::text, 'inactive'::text])),
  constraint rule_content_validity_check CHECK (NOT isempty(validity)),
  constraint rule_content_rule_name_error_key_validity_excl EXCLUDE USING gist (rule_name WITH =, error_key WITH =, validity WITH &&)
);
CREATE INDEX rule_content_module_idx ON public.rule_content USING btree (python_module, error_key) WHERE upper_inf(validity);
CREATE TRIGGER _010_guard BEFORE DELETE ON rule_content FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('a version stays as it was, load_content() makes a new one');
CREATE TRIGGER _011_guard BEFORE TRUNCATE ON rule_content FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_guard('a version stays as it was, load_content() makes a new one');
CREATE TRIGGER _012_guard BEFORE UPDATE ON rule_content FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('a version stays as it was, load_content() makes a new one', 'validity', 'total_risk');
CREATE TRIGGER _013_guard BEFORE UPDATE OF validity ON rule_content FOR EACH ROW WHEN (lower(old.validity) IS DISTINCT FROM lower(new.validity) OR NOT upper_inf(old.validity)) EXECUTE FUNCTION ccx.tg_guard('a version that has ended stays as it was');
CREATE TRIGGER _050_referred AFTER DELETE ON rule_content REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_notified_issue__referred();
CREATE TRIGGER _060_referred AFTER TRUNCATE ON rule_content FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_notified_issue__referred();
CREATE TRIGGER _200_filter_results AFTER INSERT ON rule_content REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_rule_content__filter_results();
CREATE TRIGGER _900_announce AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON rule_content FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_rule_content__announce();

-- rules that an organization does not want to hear of, as the aggregator keeps them; deleting a row ends it; written by compat, results, silence: what customers and operators ask for, or the aggregator's copied
create table rule_disable (
  -- the organization, as text, as the aggregator has it
  org_id text not null,
  -- the rule, in any of its spellings
  rule_id text not null,
  -- which of the rule's problems; empty: all of them
  error_key text not null,
  -- why
  justification text,
  -- since when
  created_at timestamp with time zone not null default now(),
  -- when it was last changed
  updated_at timestamp with time zone,
  -- user who asked through the results API; null: somebody else
  created_by text,
  constraint rule_disable_pkey PRIMARY KEY (org_id, rule_id, error_key)
);
CREATE TRIGGER _100_acknowledgement AFTER INSERT OR DELETE OR UPDATE OF org_id, rule_id, error_key ON rule_disable FOR EACH ROW EXECUTE FUNCTION ccx.tg_rule_disable__acknowledgement();
CREATE TRIGGER _200_emptied AFTER TRUNCATE ON rule_disable FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_acknowledgement__emptied();

-- rules that failed on an archive; the other rules' hits were published
create table rule_failure (
  -- number of the analysis
  analysis_id bigint not null,
  -- the rule
  component text not null,
  -- why, from a fixed vocabulary (docs/reference/reasons.md)
  reason text not null,
  -- the same as a sentence
  detail text not null,
  -- when it failed last
  failed_at timestamp with time zone not null,
  constraint rule_failure_pkey PRIMARY KEY (analysis_id, component),
  constraint rule_failure_analysis_id_fkey FOREIGN KEY (analysis_id) REFERENCES analysis(id) ON DELETE CASCADE
);
CREATE INDEX rule_failure_component_idx ON public.rule_failure USING btree (component, failed_at);

-- groups that rules are shown in, by their tags
create table rule_group (
  -- its place among the groups
  "position" smallint not null,
  -- its name for people
  title text not null,
  -- what is in it
  description text not null,
  -- a rule with one of these tags is in it
  tags text[] not null,
  constraint rule_group_pkey PRIMARY KEY ("position"),
  constraint rule_group_title_key UNIQUE (title),
  constraint rule_group_tags_check CHECK (array_position(tags, NULL::text) IS NULL)
);

-- what each target calls a total risk
create table severity (
  -- the target
  target_id integer not null,
  -- total risk of a rule, 1 to 4
  total_risk smallint not null,
  -- its name there
  name text not null,
  constraint severity_pkey PRIMARY KEY (target_id, total_risk),
  constraint severity_target_id_fkey FOREIGN KEY (target_id) REFERENCES event_targets(id) ON DELETE CASCADE,
  constraint severity_total_risk_check CHECK (total_risk >= 1 AND total_risk <= 4)
);

-- how ours lives with the service before it on this database, one row
create table side_by_side (
  -- always true
  only_row boolean not null default true,
  -- together: what either one notifies starts the cooldowns of both; shadow: ours decides and sends elsewhere, and neither knows of the other; adopting, leaving: nothing is decided
  mode text not null default 'together'::text,
  -- since when; what was decided before counts as it did
  since timestamp with time zone not null default now(),
  -- database user who chose it
  changed_by text not null default SESSION_USER,
  constraint side_by_side_pkey PRIMARY KEY (only_row),
  constraint side_by_side_mode_check CHECK (mode = ANY (ARRAY['together'::text, 'shadow'::text, 'adopting'::text, 'leaving'::text])),
  constraint side_by_side_only_row_check CHECK (only_row)
);

-- who asked not to be notified, of what, why and until when; ended early, never deleted
create table silence (
  -- number of the silence
  id bigint not null generated always as identity,
  -- only for this organization; null: any
  org_id bigint,
  -- only for this cluster; null: any
  cluster text collate "C",
  -- only for this rule; null: any
  rule_name text,
  -- only for this error key; null: any
  error_key text,
  -- only for rules with this tag; null: any
  tag text,
  -- has to be true for a silence without any of the above
  everything boolean not null default false,
  -- from when until when
  period tstzrange not null,
  -- why
  reason text not null,
  -- database user who asked
  created_by text not null default ccx.person(),
  -- when; a silence does not reach into the past before it
  created_at timestamp with time zone not null default now(),
  -- when it was ended early
  ended_at timestamp with time zone,
  -- database user who ended it early
  ended_by text,
  -- when it really holds: the period, not before it was created, not after it was ended; this is what decide() reads
  in_force tstzrange not null generated always as (ccx.silence_in_force(period, created_at, ended_at)) stored,
  constraint silence_pkey PRIMARY KEY (id),
  constraint silence_has_an_end CHECK (NOT isempty(period) AND NOT lower_inf(period) AND NOT upper_inf(period) AND upper(period) < 'infinity'::timestamp with time zone),
  constraint silence_of_everything_is_meant CHECK (everything = (num_nonnulls(org_id, cluster, rule_name, error_key, tag) = 0)),
  constraint silence_reason_check CHECK (length(btrim(reason)) >= 5),
  constraint silence_rule_name_check CHECK (rule_name = ccx.rule_name(rule_name)),
  constraint silence_once EXCLUDE USING gist (COALESCE(org_id, 0::bigint) WITH =, COALESCE(cluster, ''::text) WITH =, COALESCE(rule_name, ''::text) WITH =, COALESCE(error_key, ''::text) WITH =, COALESCE(tag, ''::text) WITH =, in_force WITH &&)
);
CREATE INDEX silence_in_force_idx ON public.silence USING gist (in_force);
CREATE INDEX silence_named_idx ON public.silence USING btree (COALESCE(cluster, ''::text), COALESCE(org_id, (0)::bigint), COALESCE(rule_name, ''::text), COALESCE(error_key, ''::text), COALESCE(tag, ''::text));
CREATE TRIGGER _010_guard BEFORE DELETE ON silence FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('a silence stays on record, end_silence() ends it');
CREATE TRIGGER _011_guard BEFORE TRUNCATE ON silence FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_guard('a silence stays on record, end_silence() ends it');
CREATE TRIGGER _012_guard BEFORE UPDATE ON silence FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('a silence stays on record, end_silence() ends it', 'ended_at', 'ended_by', 'in_force');
CREATE TRIGGER _013_guard BEFORE UPDATE ON silence FOR EACH ROW WHEN (old.ended_at IS NOT NULL) EXECUTE FUNCTION ccx.tg_guard('it has ended');

-- the rules that run in the database: one function each in the schema rules
create table sql_rule (
  -- name of the rule, of its file, and of its function
  name text not null,
  -- how results name it
  component text not null,
  -- what it looks for, as its file begins
  description text not null,
  -- the files it reads: * stands for any name, ** for any path
  reads text[] not null,
  -- tags of its hits
  tags text[] not null,
  -- links of its hits
  links jsonb not null,
  -- its file
  source text not null,
  -- when this version of it was loaded
  loaded_at timestamp with time zone not null,
  -- who loaded it
  loaded_by text not null default SESSION_USER,
  -- how many times in a row it took too long
  timeouts integer not null default 0,
  -- since when it does not run any more, since it took too long too often; null: it runs
  suspended_at timestamp with time zone,
  constraint sql_rule_pkey PRIMARY KEY (name),
  constraint sql_rule_component_key UNIQUE (component),
  constraint sql_rule_component_check CHECK (component ~ '^([a-zA-Z0-9_]+[.])+[a-z0-9_]+$'::text),
  constraint sql_rule_links_check CHECK (jsonb_typeof(links) = 'object'::text),
  constraint sql_rule_name_check CHECK (name ~ '^[a-z][a-z0-9_]{0,59}$'::text)
);

-- states for each row stored in reported table
create table states (
  -- number used in reported.state
  id integer not null,
  -- name of the state: sent, same, lower, error
  value text not null,
  -- what the state means
  comment text,
  constraint states_pkey PRIMARY KEY (id),
  constraint states_value_key UNIQUE (value)
);
CREATE TRIGGER _010_guard BEFORE DELETE ON states FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('other programs know these rows, a migration changes them');
CREATE TRIGGER _011_guard BEFORE TRUNCATE ON states FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_guard('other programs know these rows, a migration changes them');
CREATE TRIGGER _012_guard BEFORE UPDATE ON states FOR EACH ROW WHEN (old.* IS DISTINCT FROM new.*) EXECUTE FUNCTION ccx.tg_guard('other programs know these rows, a migration changes them');

-- times at which more clusters than the limit would have been notified within an hour: what went beyond it is held, until a person releases or drops it
create table storm (
  -- number of the storm
  id bigint not null generated always as identity,
  -- the target
  target_id integer not null,
  -- the rule that is held; null: everything for this target
  rule_name text,
  -- when the limit was met; decisions after that hold
  began_at timestamp with time zone not null,
  -- how many clusters might be notified within an hour
  cluster_limit integer not null,
  -- how many had been notified in that hour when it began
  notified integer not null,
  -- when somebody released or dropped it; null: it goes on
  ended_at timestamp with time zone,
  -- true: what waited was decided anew; false: it was dropped, and stays held until the issue goes
  released boolean,
  -- database user who did
  ended_by text,
  -- why
  reason text,
  constraint storm_pkey PRIMARY KEY (id),
  constraint storm_target_id_fkey FOREIGN KEY (target_id) REFERENCES event_targets(id) ON DELETE CASCADE,
  constraint storm_check CHECK (num_nulls(ended_at, released, ended_by, reason) = ANY (ARRAY[0, 4]))
);
CREATE UNIQUE INDEX storm_once ON public.storm USING btree (target_id, COALESCE(rule_name, ''::text)) WHERE (ended_at IS NULL);

-- clusters whose decision fails, put aside so that it goes on for all others; tried again by and by, by hand with retry_stuck(), and with their next report; a decision that succeeds takes them out
create table stuck_cluster (
  -- organization that owns the cluster
  org_id bigint not null,
  -- the cluster
  cluster text collate "C" not null,
  -- why the last try failed, in the words of the database
  reason text not null,
  -- when the first try failed
  since timestamp with time zone not null,
  -- how many tries failed
  attempts integer not null default 1,
  -- when it is tried again; each time twice as long, up to six hours
  next_try_at timestamp with time zone not null,
  -- a new report waits for the decision, as in decision_due
  by_report boolean not null,
  constraint stuck_cluster_pkey PRIMARY KEY (cluster, org_id),
  constraint stuck_cluster_attempts_check CHECK (attempts > 0)
);
CREATE INDEX stuck_cluster_next_try_idx ON public.stuck_cluster USING btree (next_try_at);

-- questions about the whole fleet, each about one moment; the view surveys shows how far they are
create table survey (
  -- number of the survey
  id bigint not null generated always as identity,
  -- decisions (of now), noise (of the week before) or backtest
  kind text not null,
  -- what was asked; of a backtest its arguments
  arguments jsonb not null default '{}'::jsonb,
  -- the moment that it is about
  at timestamp with time zone not null default clock_timestamp(),
  -- when it was asked; its parts wait for transactions that began before
  asked_at timestamp with time zone not null default clock_timestamp(),
  -- who asked
  asked_by text not null default ccx.person(),
  -- whether survey_schedule asked
  is_scheduled boolean not null default false,
  -- when it was canceled or failed; null: neither
  given_up_at timestamp with time zone,
  -- why it was given up
  problem text,
  constraint survey_pkey PRIMARY KEY (id),
  constraint survey_check CHECK ((problem IS NULL) = (given_up_at IS NULL)),
  constraint survey_kind_check CHECK (kind = ANY (ARRAY['decisions'::text, 'noise'::text, 'backtest'::text]))
);
CREATE INDEX survey_kind_idx ON public.survey USING btree (kind, at);

-- the parts of surveys: organizations that one transaction answers for
create table survey_part (
  -- the survey
  survey_id bigint not null,
  -- number of the part
  part integer not null,
  -- the first of its organizations
  first_org bigint not null,
  -- the last of its organizations
  last_org bigint not null,
  -- how many clusters these had when the survey was asked
  clusters integer not null,
  -- when it was answered; null: it waits, or is under way
  ended_at timestamp with time zone,
  -- how long that took
  seconds double precision,
  constraint survey_part_pkey PRIMARY KEY (survey_id, part),
  constraint survey_part_survey_id_fkey FOREIGN KEY (survey_id) REFERENCES survey(id) ON DELETE CASCADE,
  constraint survey_part_check CHECK (last_org >= first_org)
);
CREATE INDEX survey_part_left_idx ON public.survey_part USING btree (survey_id, part) WHERE (ended_at IS NULL);

-- which surveys workers take by themselves, and how often
create table survey_schedule (
  -- decisions or noise
  kind text not null,
  -- how often, at most: taking them takes a tenth of one worker's time; null: never
  every interval,
  constraint survey_schedule_pkey PRIMARY KEY (kind),
  constraint survey_schedule_every_check CHECK (every >= '00:01:00'::interval)
);

-- what a survey of the kind backtest counted; each part adds to it; shown by surveyed_days()
create table surveyed_day (
  -- the survey
  survey_id bigint not null,
  -- the day (UTC)
  day date not null,
  -- how many issues would have been notified
  issues bigint not null,
  -- in how many messages
  messages bigint not null,
  -- of how many clusters
  clusters bigint not null,
  -- to how many organizations
  organizations bigint not null,
  constraint surveyed_day_pkey PRIMARY KEY (survey_id, day),
  constraint surveyed_day_survey_id_fkey FOREIGN KEY (survey_id) REFERENCES survey(id) ON DELETE CASCADE
);

-- decisions counted by a survey of that kind; each part adds to them; shown by decision_summary
create table surveyed_decision (
  -- the survey
  survey_id bigint not null,
  -- reason, rule or organization
  grouped_by text not null,
  -- the reason, rule or organization
  name text not null,
  -- the target; null: all of them together
  target_id integer,
  -- notify or hold
  decision text not null,
  -- how many decisions
  decisions bigint not null,
  -- of how many clusters
  clusters bigint not null,
  -- of how many organizations
  organizations bigint not null,
  constraint surveyed_decision_survey_id_grouped_by_name_decision_target_key UNIQUE NULLS NOT DISTINCT (survey_id, grouped_by, name, decision, target_id),
  constraint surveyed_decision_survey_id_fkey FOREIGN KEY (survey_id) REFERENCES survey(id) ON DELETE CASCADE,
  constraint surveyed_decision_target_id_fkey FOREIGN KEY (target_id) REFERENCES event_targets(id) ON DELETE RESTRICT
) with (fillfactor=70);

-- how loud each rule was, counted by a survey of that kind; each part adds to it; shown by noise_summary
create table surveyed_noise (
  -- the survey
  survey_id bigint not null,
  -- the target
  target_id integer not null,
  -- the rule
  rule_id integer not null,
  -- how many times an issue of it was notified
  notified bigint not null,
  -- about how many clusters
  clusters bigint not null,
  -- to how many organizations
  organizations bigint not null,
  -- in how many reports it was; null: in none that is kept
  sightings numeric,
  -- how many times it appeared
  occurrences bigint not null,
  -- issues of it that flapped at that moment
  flapping_issues bigint not null,
  -- how many times it went within an hour after it had appeared
  gone_within_an_hour bigint not null,
  -- how many clusters had it at that moment
  open_issues bigint not null,
  constraint surveyed_noise_pkey PRIMARY KEY (survey_id, rule_id, target_id),
  constraint surveyed_noise_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES rule(id) ON DELETE CASCADE,
  constraint surveyed_noise_survey_id_fkey FOREIGN KEY (survey_id) REFERENCES survey(id) ON DELETE CASCADE,
  constraint surveyed_noise_target_id_fkey FOREIGN KEY (target_id) REFERENCES event_targets(id) ON DELETE RESTRICT
);
CREATE INDEX surveyed_noise_rule_idx ON public.surveyed_noise USING btree (rule_id);

-- how far the sweep has come
create table sweep_mark (
  -- keeps this table at one row
  only_row boolean not null default true,
  -- cooldowns that ended before this have been asked again
  cooldowns_until timestamp with time zone not null,
  -- clusters that had reported in the day before they were counted; storm_share is a share of them
  reporting_clusters integer not null default 0,
  -- when they were counted
  counted_at timestamp with time zone not null default '-infinity'::timestamp with time zone,
  constraint sweep_mark_pkey PRIMARY KEY (only_row),
  constraint sweep_mark_only_row_check CHECK (only_row)
);

-- the outbox of uploads: announcements of archives and statuses of requests, to be sent, sent, or dead
create table upload_message (
  -- number of the message; those of a request are sent in this order
  message_id bigint not null generated always as identity,
  -- the upload it is about
  request_id text collate "C" not null,
  -- its archive; null: another ingress has it
  archive_id bigint,
  -- announcement or status
  kind text not null,
  -- the organization; null: not known
  org_id bigint,
  -- the account; empty: none
  account_number text not null default ''::text,
  -- for an announcement whom it is for, for a status who says so
  service text not null,
  -- received, processing, processed, success or error
  status text,
  -- the same for people
  status_msg text,
  -- when it was so
  noted_at timestamp with time zone not null default now(),
  -- when it is to be sent, or (claimed) when the lease of a worker ends; null: sent or dead
  due_at timestamp with time zone default now(),
  -- how often a worker has taken it
  attempts integer not null default 0,
  -- from when on the URL of the announcement counts
  signed_at timestamp with time zone,
  -- when Kafka had it
  sent_at timestamp with time zone,
  -- where in the topic, as far as the broker says
  partition integer,
  -- where in the partition
  kafka_offset bigint,
  -- when it was given up
  died_at timestamp with time zone,
  -- why the last try failed, as in notification
  failure text,
  -- the same for people
  error text,
  constraint upload_message_pkey PRIMARY KEY (message_id),
  constraint upload_message_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES archive(archive_id) ON DELETE CASCADE,
  constraint upload_message_ended_check CHECK ((due_at IS NULL) = (num_nonnulls(sent_at, died_at) = 1) AND num_nonnulls(sent_at, died_at) < 2),
  constraint upload_message_kind_check CHECK (kind = ANY (ARRAY['announcement'::text, 'status'::text])),
  constraint upload_message_of_kind_check CHECK (
CASE kind
    WHEN 'announcement'::text THEN archive_id IS NOT NULL AND status IS NULL
    ELSE status IS NOT NULL
END),
  constraint upload_message_status_check CHECK (status = ANY (ARRAY['received'::text, 'processing'::text, 'processed'::text, 'success'::text, 'error'::text]))
);
CREATE UNIQUE INDEX upload_announced_once ON public.upload_message USING btree (archive_id) WHERE (kind = 'announcement'::text);
CREATE INDEX upload_message_archive_idx ON public.upload_message USING btree (archive_id);
CREATE INDEX upload_message_dead_idx ON public.upload_message USING btree (died_at) WHERE (died_at IS NOT NULL);
CREATE INDEX upload_message_due_idx ON public.upload_message USING btree (due_at) WHERE (due_at IS NOT NULL);
CREATE INDEX upload_message_noted_idx ON public.upload_message USING btree (noted_at);
CREATE INDEX upload_message_request_idx ON public.upload_message USING btree (request_id, message_id);

-- wishes to wake a task, of transactions that have not committed yet; at commit they become jobs
create table wake_up (
  -- the transaction that wishes
  transaction xid8 not null default pg_current_xact_id(),
  -- when it wished
  wished_at timestamp with time zone not null default clock_timestamp(),
  -- the task, as graphile-worker knows it
  task text not null,
  -- key of the job: while one of the same key waits, there is no second
  job_key text not null,
  -- what becomes of a job of the same key that waits already
  job_key_mode text not null,
  -- for when; null: now
  run_at timestamp with time zone
);
CREATE INDEX wake_up_transaction_idx ON public.wake_up USING btree (transaction);
CREATE CONSTRAINT TRIGGER _900_send AFTER INSERT ON wake_up DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ccx.tg_wake_up__send();

-- policies that were planned and taken back before they began
create table withdrawn_policy (
  -- number of the withdrawal
  id bigint not null generated always as identity,
  -- the version of policy as it was planned
  policy jsonb not null,
  -- database user who planned it
  planned_by text not null,
  -- when it was taken back
  withdrawn_at timestamp with time zone not null default now(),
  -- database user who took it back
  withdrawn_by text not null default ccx.person(),
  -- why; null where the row was deleted by hand
  reason text,
  constraint withdrawn_policy_pkey PRIMARY KEY (id)
);
CREATE TRIGGER _010_guard BEFORE DELETE ON withdrawn_policy FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('what was withdrawn stays on record');
CREATE TRIGGER _011_guard BEFORE TRUNCATE ON withdrawn_policy FOR EACH STATEMENT EXECUTE FUNCTION ccx.tg_guard('what was withdrawn stays on record');
CREATE TRIGGER _012_guard BEFORE UPDATE ON withdrawn_policy FOR EACH ROW EXECUTE FUNCTION ccx.tg_guard('what was withdrawn stays on record');

-- the worker processes; each says every 15 seconds that it lives, and is dead after 90 seconds of silence; the next one that lives, or retention, takes its row away
create table worker (
  -- what graphile-worker calls it; its jobs have this in locked_by
  pool_id text not null,
  -- machine or pod that it runs on
  host text not null,
  -- number of its process there
  pid integer not null,
  -- what the process does: work, or consume and work
  roles text[] not null,
  -- version of the service
  version text not null,
  -- when it was first heard
  started_at timestamp with time zone not null,
  -- since when it has been heard without a break; only after 90 seconds of that it may take others for dead
  unbroken_since timestamp with time zone not null,
  -- when it was last heard
  seen_at timestamp with time zone not null,
  constraint worker_pkey PRIMARY KEY (pool_id)
);

-- the namespaces that a row of workload_report names, counted; kept by store_workloads()
create table workload_namespace (
  -- the cluster that it is in
  cluster text collate "C" not null,
  -- its UID
  namespace_id text collate "C" not null,
  -- organization that owns the cluster
  org_id bigint not null,
  -- its name; empty: the message does not say it
  name text not null,
  -- time of the message since which it was in every one of its cluster
  reported_at timestamp with time zone not null,
  -- how many recommendations are about objects of it
  recommendations integer not null,
  -- how many different objects they are about
  objects integer not null,
  -- these recommendations: an array of {component, key, objects}, with the number of objects of each
  hits jsonb not null,
  constraint workload_namespace_pkey PRIMARY KEY (cluster, namespace_id),
  constraint workload_namespace_cluster_fkey FOREIGN KEY (cluster) REFERENCES workload_report(cluster) ON DELETE CASCADE,
  constraint workload_namespace_hits_check CHECK (jsonb_typeof(hits) = 'array'::text),
  constraint workload_namespace_namespace_id_check CHECK (length(namespace_id) >= 1 AND length(namespace_id) <= 256),
  constraint workload_namespace_objects_check CHECK (objects > 0),
  constraint workload_namespace_recommendations_check CHECK (recommendations > 0)
);
CREATE INDEX workload_namespace_org_idx ON public.workload_namespace USING btree (org_id);

-- the newest message of each cluster about its workloads, from the topic that CCX_WORKLOADS_TOPIC names
create table workload_report (
  -- cluster that the message is about (ClusterName)
  cluster text collate "C" not null,
  -- organization that owns the cluster (OrgID)
  org_id bigint not null,
  -- the message's own time (LastChecked); what is older changes nothing any more
  updated_at timestamp with time zone not null,
  -- when it arrived here
  received_at timestamp with time zone not null,
  -- the upload that it was made from (RequestId of the message); null: not known
  request_id text,
  -- Metrics.workload_recommendations of the message: an array of {component, key, details, workloads}
  recommendations jsonb not null,
  constraint workload_report_pkey PRIMARY KEY (cluster),
  constraint workload_report_recommendations_check CHECK (jsonb_typeof(recommendations) = 'array'::text)
) with (fillfactor=80);
CREATE INDEX workload_report_org_idx ON public.workload_report USING btree (org_id);

-- what the archives of this database are known by among those of others in the same store, and what their URLs are signed with
create table ccx.archive_identity (
  -- there is one row
  only_row boolean not null default true,
  -- what the keys of all objects begin with, random
  prefix text not null,
  -- what this service signs the URLs with under which it gives out archives itself, random; another one ends all
  secret text not null,
  constraint archive_identity_pkey PRIMARY KEY (only_row),
  constraint archive_identity_only_row_check CHECK (only_row),
  constraint archive_identity_prefix_check CHECK (prefix ~ '^[a-z0-9]{8,32}$'::text),
  constraint archive_identity_secret_check CHECK (length(secret) >= 64)
);

-- every time that ccx migrate changed functions, views, types or triggers
create table ccx.code_load (
  -- number of the load
  id bigint not null generated always as identity,
  -- release of the program that loaded them
  release text not null,
  -- when it did
  loaded_at timestamp with time zone not null default now(),
  -- database user who did
  loaded_by text not null default SESSION_USER,
  -- how many objects were created or replaced
  loaded integer not null,
  -- how many objects were dropped for good
  dropped integer not null,
  constraint code_load_pkey PRIMARY KEY (id)
);

-- every function, view, type and trigger that ccx migrate loaded from sql/, with the hash of its file
create table ccx.code_object (
  -- kind and name, for example function public.decide
  name text not null,
  -- the same with the types of its arguments, as PostgreSQL writes it
  identity text not null,
  -- the file below sql/ that creates it
  file text not null,
  -- SHA-256 of its statements; what differs is loaded again
  hash text not null,
  -- its place in the order of loading; it uses only what comes before it
  "position" integer not null,
  constraint code_object_pkey PRIMARY KEY (name)
);

-- the settings that a fleet database has brought here; a new row is applied in the transaction that inserts it
create table fleet.applied (
  -- the setting, as the fleet numbers it: each is applied once
  setting_id uuid not null,
  -- the cell that it was for; after a split, of the one before
  cell text not null,
  -- the function that was called
  action text not null,
  -- its arguments by name
  arguments jsonb not null,
  -- from when it counts, the same in every cell
  at timestamp with time zone not null,
  -- who queued it; recorded as the person who changed the setting
  queued_by text not null,
  -- when this cell got it
  applied_at timestamp with time zone not null default clock_timestamp(),
  -- what the function returned; {"elsewhere": true}: it was about a cluster of another cell
  result jsonb,
  constraint applied_pkey PRIMARY KEY (setting_id)
);
CREATE TRIGGER _100_apply AFTER INSERT ON fleet.applied FOR EACH ROW EXECUTE FUNCTION ccx.tg_applied__apply();

-- Views -----------------------------------------------------------------------------------------------

-- The acknowledgements in force: which organization, or which of its clusters, does not want to be notified of which rule.
view acknowledgements with (security_invoker=true) (
  -- the organization; null: the one that owns the cluster
  org_id bigint,
  -- only for this cluster; null: all clusters of the organization
  cluster text,
  -- bare name of the rule
  rule_name text,
  -- which of the rule's problems; null: all of them
  error_key text,
  -- from when
  since timestamp with time zone,
  -- why; kept for whole organizations only
  reason text,
  -- number of the acknowledgement, as in explain_notification
  acknowledgement_id bigint
);

-- Bearer tokens of the results API that count.
view api_tokens with (security_invoker=true) (
  -- the organization that it speaks for
  org_id bigint,
  -- what it is for; also the user that it acts as
  name text,
  -- database user who made it
  created_by text,
  -- when
  created_at timestamp with time zone,
  -- from when on it does not count; null: it does not expire
  expires_at timestamp with time zone
);

-- The archives that were uploaded: whose, what, where, until when, and which are the same.
view archives with (security_invoker=true) (
  -- number of the archive
  archive_id bigint,
  -- what everybody knows the upload by
  request_id text,
  -- the organization
  org_id bigint,
  -- the cluster, where the identity named one
  cluster text,
  -- whom it is for
  service text,
  -- what kind of archive it is
  category text,
  -- bytes
  size bigint,
  -- SHA-256 of the content, as text
  sha256 text,
  -- where the content is: database, folder or s3
  store text,
  -- its name there
  object_key text,
  -- when it began to arrive
  received_at timestamp with time zone,
  -- when it was complete
  stored_at timestamp with time zone,
  -- the content is still in the store
  is_kept boolean,
  -- when its time ends; earlier, where max_bytes is short; null: it is gone
  kept_until timestamp with time zone,
  -- the first upload of the organization with the same content; null: this is it
  same_as text,
  -- how many later ones have the same content
  duplicates bigint
);

-- How far each partition of the results topic has been consumed, and how much there was to come when we last heard. A partition without new messages is not heard of: its age grows, and its lag stays.
view consumer_lag with (security_invoker=true) (
  -- Kafka topic
  topic text,
  -- partition of the topic
  partition integer,
  -- first offset that is not stored yet
  next_offset bigint,
  -- where the partition ended; null: not known yet
  high_watermark bigint,
  -- how many offsets are still to come (records that transactions leave behind count, too); null: not known yet
  lag bigint,
  -- when the end was known
  as_of timestamp with time zone,
  -- how long ago that is
  age interval,
  -- decisions on its reports wait for the rest
  is_behind boolean
);

-- What the open transaction changed in the content: versions that ended or began with it. Empty unless this transaction loaded content; roll back to only try.
view content_diff with (security_invoker=true) (
  -- bare name of the rule
  rule_name text,
  -- which of the rule's problems
  error_key text,
  -- added, changed or removed
  change text,
  -- what changed, by column of rule_content; null unless changed
  columns text[],
  -- total risk before; null: added
  total_risk_before smallint,
  -- total risk with the change; null: removed
  total_risk smallint,
  -- content version that ends; null: added
  content_id_before bigint,
  -- content version that begins; null: removed
  content_id bigint
);

-- Archives and announcements that were given up, and why: select * from redrive_analyses(array(select analysis_id from dead_analysis where …)).
view dead_analysis with (security_invoker=true) (
  -- number of the analysis
  analysis_id bigint,
  -- request id of the upload; null: the announcement has none
  request_id text,
  -- organization that uploaded it; null: not known
  org_id bigint,
  -- cluster it is about; null: not known
  cluster text,
  -- why, from a fixed vocabulary (docs/reference/reasons.md)
  failure text,
  -- the same as a sentence
  error text,
  -- how many times it was tried
  attempts integer,
  -- when it was announced
  announced_at timestamp with time zone,
  -- when we heard of it
  received_at timestamp with time zone,
  -- when it was given up
  ended_at timestamp with time zone,
  -- topic/partition/offset of its announcement
  place text,
  -- it can be tried again; not what does not conform
  redrivable boolean,
  -- the announcement as it came, where it does not conform
  announcement bytea
);

-- Messages that were given up, why, and whether they can be redriven: select * from redrive(array(select notification_id from dead_letter where …)).
view dead_letter with (security_invoker=true) (
  -- number of the message
  notification_id bigint,
  -- where it was to go
  target text,
  -- id the receiver would have seen
  message_id uuid,
  -- organization that was to be notified
  org_id bigint,
  -- cluster it is about
  cluster text,
  -- how many issues it names
  issues bigint,
  -- what kind of failure ended it
  failure text,
  -- what went wrong, for people
  last_error text,
  -- how many times it was handed to a worker
  attempts integer,
  -- when it was decided
  decided_at timestamp with time zone,
  -- when it may first have gone out; null: it certainly never did
  first_tried_at timestamp with time zone,
  -- when it was given up
  ended_at timestamp with time zone,
  -- it can be redriven now, under the same id
  redrivable boolean,
  -- why it cannot
  refusal text,
  -- the message that it repeated; null: none
  replay_of bigint
);

-- What would have been notified, and what was held, counted by reason, rule and organization at the moment of the newest survey; decisions of now are in explain_notification.
view decision_summary with (security_invoker=true) (
  -- the moment
  at timestamp with time zone,
  -- reason, rule or organization
  grouped_by text,
  -- the reason (new: nothing held it), rule or organization; an issue that several reasons hold counts with each
  name text,
  -- the target; null: all of them together
  target text,
  -- notify or hold
  decision text,
  -- how many decisions
  decisions bigint,
  -- of how many clusters
  clusters bigint,
  -- of how many organizations
  organizations bigint
);

-- Whether each target is sent to (closed), waits since its receiver is down or asked for time (open), or is being tried with a few messages (half-open).
view delivery_circuit with (security_invoker=true) (
  -- the target
  target text,
  -- closed, open or half-open
  state text,
  -- since when it is open; null: it is closed
  since timestamp with time zone,
  -- when the next few messages may be tried
  probe_at timestamp with time zone,
  -- a worker is trying them; the end of its lease
  probe_until timestamp with time zone,
  -- how many such tries failed since it opened
  failed_probes integer,
  -- failures in a row that said that the receiver is down or asks for time
  failures integer,
  -- kind of the last such failure; stays when the circuit closes
  last_failure text,
  -- what went wrong then
  last_error text,
  -- when that was
  last_failed_at timestamp with time zone,
  -- messages that are not sent yet
  waiting bigint
);

-- What was decided and is not out: messages neither sent nor given up, with their age and what went wrong last, and those that were withdrawn in the last day.
view delivery_gap with (security_invoker=true) (
  -- where it goes
  target text,
  -- number of the message
  notification_id bigint,
  -- id the receiver sees
  message_id uuid,
  -- organization that is to be notified
  org_id bigint,
  -- cluster it is about
  cluster text,
  -- how many issues it names
  issues bigint,
  -- when it was decided
  decided_at timestamp with time zone,
  -- how long ago that is
  age interval,
  -- how many times it was handed to a worker
  attempts integer,
  -- when it may be tried (again), or the lease of the worker that has it ends
  next_attempt_at timestamp with time zone,
  -- when it is given up if nothing gets through until then; null: not tried yet
  given_up_at timestamp with time zone,
  -- what kind of failure the last one was
  failure text,
  -- what went wrong the last time
  last_error text,
  -- a worker has it until then; null: nobody has it
  leased_until timestamp with time zone,
  -- not claimed before, since the circuit of its target is open (delivery_circuit); null: closed
  held_until timestamp with time zone,
  -- the message that it repeats; null: none
  replay_of bigint,
  -- pending, or withdrawn (last_error says why): nothing of it was left to notify
  state text
);

-- What somebody should look at, one row for each finding, with what it means and what to do; empty when all is well. ccx doctor prints it, with what only a program can check.
view doctor with (security_invoker=true) (
  -- error: the service cannot do its work; warning: it will not, or does it late
  severity text,
  -- what it is about
  topic text,
  -- what was found, with figures
  finding text,
  -- what it means for customers or for the service
  meaning text,
  -- what to do about it, or the query or command that shows more
  what_to_do text
);

-- For authors of content: texts in force that lacked a value when they were rendered. Nothing stands in its place; the policy setting doubtful_texts says whether such a text goes out.
view doubtful_texts with (security_invoker=true) (
  -- bare name of the rule
  rule_name text,
  -- which of the rule's problems
  error_key text,
  -- the target
  target text,
  -- which of its texts
  text_name text,
  -- what stands between the braces of the tag
  place text,
  -- what the value was: missing, null, object, list, function, not_a_number; link: no address for a link, about:blank in its place
  kind text,
  -- when that was first
  since timestamp with time zone,
  -- when it last was
  last_at timestamp with time zone,
  -- in how many messages
  times bigint,
  -- the cluster of the last one
  example_cluster text,
  -- the value of the last one, as far as there was one
  example text,
  -- version of the content
  content_id bigint
);

-- Where what is kept up to date (issues as reports arrive, the ledger as they are notified) differs from what is recomputed from the stored reports and notifications; empty unless something is wrong.
view drift with (security_invoker=true) (
  -- newest report, missing issue, surplus issue, history, notification, or elsewhere
  what text,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- what differs
  detail text
);

-- What the open transaction would change: decisions that differ from those by the policies, content, silences and acknowledgements that stood before it. Empty unless this transaction changed something; roll back to only try.
view explain_diff with (security_invoker=true) (
  -- the target
  target text,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- notify or hold, before; null: there was no decision to take
  decision_before text,
  -- notify or hold, with the change; null: no decision to take any more
  decision text,
  -- every reason that held it
  reasons_before text[],
  -- every reason that would hold it
  reasons text[],
  -- when cooldown, spacing and damping would have ended
  next_eligible_at_before timestamp with time zone,
  -- when they would end with the change
  next_eligible_at timestamp with time zone,
  -- policy version that decided
  policy_id_before bigint,
  -- policy version that would decide
  policy_id bigint,
  -- the issue
  issue_id bigint
);

-- What the open transaction would change (explain_diff), counted by rule and by what becomes of what.
view explain_diff_by_rule with (security_invoker=true) (
  -- the target
  target text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- notify, or hold: with every reason; null: there was no decision to take
  before text,
  -- the same with the change; null: no decision to take any more
  after text,
  -- sooner or later: cooldown, spacing and damping would end so; null: no difference
  next_eligible text,
  -- how many decisions would change so
  decisions integer,
  -- of how many clusters
  clusters integer,
  -- of how many organizations
  organizations integer
);

-- Why is (or is not) somebody notified: one row for each open issue (or gone one that is to be notified as resolved) and target, with every reason that holds it.
view explain_notification with (security_invoker=true) (
  -- the target
  target text,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- notify or hold
  decision text,
  -- every reason to hold it; the view hold_reason says what each means
  reasons text[],
  -- 1 low to 4 critical; null without content
  total_risk smallint,
  -- when it was last notified through this target
  last_notified_at timestamp with time zone,
  -- when cooldown, spacing, damping and the wait after a failed rendering have ended
  next_eligible_at timestamp with time zone,
  -- 1 = new, more = gone and back
  occurrence integer,
  -- new, regressed (gone and back), flapping, or resolved (gone)
  issue_state text,
  -- time of the first report that had it
  first_seen timestamp with time zone,
  -- time of the newest report that has it
  last_seen timestamp with time zone,
  -- the issue
  issue_id bigint,
  -- policy version that decided
  policy_id bigint,
  -- content version that decided
  content_id bigint,
  -- the silence that holds it
  silence_id bigint,
  -- the acknowledgement that holds it
  acknowledgement_id bigint,
  -- why its texts could not be rendered
  render_error text
);

-- Rules that failed on archives, and why; a failed rule counts as one without a hit.
view failing_rules with (security_invoker=true) (
  -- the rule
  component text,
  -- why, from a fixed vocabulary (docs/reference/reasons.md)
  reason text,
  -- on how many archives
  archives bigint,
  -- when it failed first
  first_at timestamp with time zone,
  -- when it failed last
  last_at timestamp with time zone,
  -- why it failed last, as a sentence
  last_detail text,
  -- on which archive it failed last
  last_analysis_id bigint,
  -- since when it does not run any more, since it took too long too often; null: it runs
  suspended_at timestamp with time zone
);

-- What each reason means that a decision has for holding an issue.
view hold_reason with (security_invoker=true) (
  -- the reason, as in explain_notification.reasons
  reason text,
  -- what it means
  meaning text,
  -- it depends on settings and rule content alone; an issue without one of these qualifies
  by_policy boolean
);

-- Whether ccx adopt, or its way back, was begun and has not ended. Until it ends nothing is decided.
view metrics_adoption with (security_invoker=true) (
  -- time since ccx adopt, or its way back, was begun and has not ended; 0 when none is under way
  unfinished_seconds double precision
);

-- Uploads whose rules have not run yet, and rules.
view metrics_analyze with (security_invoker=true) (
  -- archives whose rules have not run yet
  waiting_archives double precision,
  -- how long the one waits that waits longest for its result to be published; 0 when none does
  oldest_waiting_seconds double precision,
  -- results that are not on their topic yet
  unpublished_results double precision,
  -- archives and announcements that were given up within a day (ccx analyze dead)
  dead_archives double precision,
  -- SQL rules that run
  rules double precision,
  -- SQL rules that do not run any more, since they took too long too often
  suspended_rules double precision
);

-- The contents of uploaded archives that are kept, for each store.
view metrics_archive with (security_invoker=true) (
  -- database, folder or s3
  store text,
  -- for how long the oldest content should have been removed; 0 when none is past, or none is kept
  overdue_seconds double precision
);

-- Whether each target is sent to: one row for every state that a circuit can be in.
view metrics_circuit with (security_invoker=true) (
  -- the target
  target text,
  -- closed, open or half-open
  state text,
  -- 1 for the state that the circuit of the target is in, else 0
  in_state double precision
);

-- How far each partition of the results has been consumed into the database; its lag is what Kafka has beyond.
view metrics_consumer with (security_invoker=true) (
  -- Kafka topic
  topic text,
  -- partition of the topic
  partition text,
  -- first offset that is not stored yet
  next_offset double precision,
  -- time since messages of the partition were last stored
  idle_seconds double precision
);

-- What is known about rules, and how old it is.
view metrics_content with (security_invoker=true) (
  -- rules and error keys with content in force
  rules_in_force double precision,
  -- time since content last changed; absent when there never was any
  age_seconds double precision,
  -- rules and error keys that reports have named and that have no content
  missing_rules double precision,
  -- rules and error keys that the latest load left out, since they do not conform
  refused_rules double precision,
  -- since when loads of content are refused, as they would change too much; absent when none is
  held_load_seconds double precision,
  -- places of texts in force that lacked a value when they were rendered
  doubtful_texts double precision
);

-- Rejected messages that are still to be written to the dead-letter topic.
view metrics_dead_letter with (security_invoker=true) (
  -- rejected messages that are to go to the dead-letter topic; without one they wait for ever
  waiting_messages double precision,
  -- how long the one waits that waits longest; 0 when none does
  oldest_waiting_seconds double precision
);

-- What waits for a decision.
view metrics_decide with (security_invoker=true) (
  -- clusters that wait for a decision
  clusters_waiting double precision,
  -- how long the cluster waits that waits longest; 0 when none does
  oldest_waiting_seconds double precision,
  -- changes of policy, content or silences whose clusters are still to be asked
  changes_waiting double precision
);

-- The outbox of each target: what waits to be delivered, and what was given up.
view metrics_outbox with (security_invoker=true) (
  -- where it goes
  target text,
  -- messages that are decided and neither sent nor given up
  waiting_messages double precision,
  -- those of them that a worker is sending
  leased_messages double precision,
  -- time since the decision of the one that waits longest; 0 when none does
  oldest_waiting_seconds double precision,
  -- messages given up that may still be redriven
  dead_messages double precision
);

-- The server, as far as it can hold us up: sessions, transactions, and size.
view metrics_postgres with (security_invoker=true) (
  -- how long the transaction is open, or prepared, that is so longest; it keeps vacuum from removing rows
  oldest_transaction_seconds double precision,
  -- how long the session does nothing inside a transaction that does so longest, or a transaction is prepared
  oldest_idle_transaction_seconds double precision,
  -- sessions that wait for a lock
  sessions_waiting_for_lock double precision,
  -- connections to this database
  sessions double precision,
  -- most connections that the server allows, to all databases together
  max_sessions double precision,
  -- size of the database
  database_size_bytes double precision,
  -- transactions since the oldest that is not frozen; at 2 billion the server stops
  transaction_id_age double precision,
  -- transactions that are prepared for a commit in two phases; the service itself prepares none
  prepared_transactions double precision
);

-- The jobs of each task: wake-ups that are due, that a worker runs, and that failed for the last time.
view metrics_queue with (security_invoker=true) (
  -- name of the task
  task text,
  -- jobs that are due and that nobody has taken
  ready_jobs double precision,
  -- jobs that a worker has
  running_jobs double precision,
  -- jobs that are not tried again
  failed_jobs double precision,
  -- how long the job is due that is due longest; 0 when none is
  oldest_ready_seconds double precision
);

-- What the registry of clusters is loaded from, and how that goes.
view metrics_registry with (security_invoker=true) (
  -- the source; http: CCX_REGISTRY_URL
  source text,
  -- since when it cannot be loaded; 0: it can
  failing_seconds double precision,
  -- lines that the latest load left out, since they do not conform
  refused_lines double precision,
  -- how often it was to be asked since it was last asked; 0: it was asked within its interval, or has none
  missed_rounds double precision
);

-- Messages that did not conform, within the last hour.
view metrics_rejected with (security_invoker=true) (
  -- why they were rejected
  reason text,
  -- messages rejected within the last hour
  last_hour_messages double precision
);

-- The replication slots, and how much WAL each keeps on the disk; empty when there is none.
view metrics_replication_slot with (security_invoker=true) (
  -- name of the slot
  slot text,
  -- 1 while somebody reads from it, else 0
  active double precision,
  -- WAL that the server keeps for it
  retained_bytes double precision
);

-- How fresh the stored reports are, and of how many clusters there are some.
view metrics_reports with (security_invoker=true) (
  -- time since a report was last stored from Kafka; absent before the first one
  newest_age_seconds double precision,
  -- clusters with a report, as of the last analyze
  clusters double precision
);

-- The daily partitions: how many are stored, past, and past but held.
view metrics_retention with (security_invoker=true) (
  -- new_reports or reported
  parent text,
  -- days that have a partition
  stored_partitions double precision,
  -- days that are older than what is kept
  past_partitions double precision,
  -- days that are past and must not be dropped yet; the view partitions says why
  held_partitions double precision,
  -- rows that belong to no day with a partition, as of the last analyze
  default_rows double precision
);

-- The release whose functions and views the database has.
view metrics_schema with (security_invoker=true) (
  -- the release that was loaded last
  release text,
  -- always 1
  info double precision
);

-- How large each table is, with its indexes and partitions.
view metrics_table with (security_invoker=true) (
  -- the table
  relation text,
  -- its size with indexes and partitions
  size_bytes double precision,
  -- rows, as of the last analyze
  live_rows double precision,
  -- rows that vacuum has not removed yet
  dead_rows double precision
);

-- The outbox of uploads: announcements of archives, and statuses, that wait to be sent or were given up.
view metrics_upload with (security_invoker=true) (
  -- announcement or status
  kind text,
  -- messages that Kafka does not have yet, and that are not given up
  waiting_messages double precision,
  -- how long the one waits that waits longest; 0 when none does
  oldest_waiting_seconds double precision,
  -- messages that were given up within a day
  dead_messages double precision
);

-- The worker processes, by their heartbeats.
view metrics_worker with (security_invoker=true) (
  -- worker processes that were heard within 90 seconds
  alive double precision,
  -- worker processes that were not, and did not say that they end
  silent double precision,
  -- time since any worker was heard; absent when none is known
  newest_heartbeat_seconds double precision
);

-- Rules that clusters have open issues of and nothing is known about; they are held until content arrives.
view missing_content with (security_invoker=true) (
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- how many open issues wait for it
  issues bigint,
  -- of how many clusters
  clusters bigint,
  -- of how many organizations
  organizations bigint,
  -- time of the first report that had it
  first_seen timestamp with time zone
);

-- What would be notified if the decision were made now: the open issues that nothing holds back, per target.
view new_issues with (security_invoker=true) (
  -- the target
  target text,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- 1 low to 4 critical
  total_risk smallint,
  -- 1 = new, more = gone and back
  occurrence integer,
  -- new, regressed (gone and back), flapping, or resolved (gone)
  issue_state text,
  -- time of the first report that had it
  first_seen timestamp with time zone,
  -- time of the newest report that has it
  last_seen timestamp with time zone,
  -- when it was last notified through this target
  last_notified_at timestamp with time zone,
  -- the issue
  issue_id bigint
);

-- How loud each rule was in the last seven days, per target: how often it was notified, to whom, how many sightings that spared, what flaps; order by notified desc for the loudest.
view noise with (security_invoker=true) (
  -- the target
  target text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- how many times an issue of it was notified
  notified bigint,
  -- about how many clusters
  clusters bigint,
  -- to how many organizations
  organizations bigint,
  -- in how many reports it was
  sightings numeric,
  -- share of the sightings that were not notified: 1 - notified / sightings
  dedup_ratio numeric,
  -- how many times it appeared
  occurrences bigint,
  -- issues of it that flap now, by the target's policy
  flapping_issues bigint,
  -- how many times it went within an hour after it had appeared
  gone_within_an_hour bigint,
  -- how many clusters have it now
  open_issues bigint
);

-- How loud each rule was in the seven days before the newest survey, per target; noise counts it anew.
view noise_summary with (security_invoker=true) (
  -- the moment of the survey
  at timestamp with time zone,
  -- the target
  target text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- how many times an issue of it was notified
  notified bigint,
  -- about how many clusters
  clusters bigint,
  -- to how many organizations
  organizations bigint,
  -- in how many reports it was
  sightings numeric,
  -- share of the sightings that were not notified: 1 - notified / sightings
  dedup_ratio numeric,
  -- how many times it appeared
  occurrences bigint,
  -- issues of it that flapped, by the target's policy
  flapping_issues bigint,
  -- how many times it went within an hour after it had appeared
  gone_within_an_hour bigint,
  -- how many clusters had it
  open_issues bigint
);

-- Every day of new_reports and reported that is stored, how large it is, whether retention is to drop it, and what holds it.
view partitions with (security_invoker=true) (
  -- new_reports or reported
  parent text,
  -- table that holds the day
  name text,
  -- day (UTC); null for what belongs to no day
  day date,
  -- false: taken out of its parent, about to be dropped
  is_attached boolean,
  -- how many rows it has, as of the last analyze; null: it was never analyzed
  rows bigint,
  -- its size with indexes
  bytes bigint,
  -- older than what is kept: the next retain() drops it, unless something holds it; null for what belongs to no day
  is_past boolean,
  -- why it must not be dropped yet; null: nothing holds it
  held_by text,
  -- from when on retain() drops it, with the retention and the policies of now, unless something holds it
  drop_at timestamp with time zone
);

-- The policies in force: who is notified of what, for each target and for each organization or rule with a policy of its own.
view policies with (security_invoker=true) (
  -- the target it is for
  target text,
  -- the organization it is for; null: all of them
  org_id bigint,
  -- the rule it is for; null: all of them
  rule_name text,
  -- false: nothing goes to this target
  enabled boolean,
  -- least total risk that is notified
  total_risk_threshold smallint,
  -- least likelihood that is notified
  likelihood_threshold smallint,
  -- least impact that is notified
  impact_threshold smallint,
  -- least severity that is notified
  severity_threshold smallint,
  -- tags that a rule must all have to be notified
  required_tags text[],
  -- how long an issue that was notified is not notified again
  cooldown interval,
  -- most issues in one message
  max_events integer,
  -- expression that has to be greater than 0, in place of the thresholds; null: none
  filter text,
  -- the only clusters that are notified of; null: all of them
  allowed_clusters text[],
  -- clusters that are not notified of
  blocked_clusters text[],
  -- least time between two messages about one cluster
  spacing interval,
  -- so many occurrences within flapping_window make an issue flapping
  flapping_occurrences smallint,
  -- see flapping_occurrences
  flapping_window interval,
  -- notify: flapping issues are notified like others; damp: they are held
  flapping_action text,
  -- true: an issue that was notified and went is notified as resolved
  notify_resolved boolean,
  -- from when it is in force
  since timestamp with time zone,
  -- number of the version, as in explain_notification
  policy_id bigint,
  -- while the newest report of a cluster is older, nothing of it is notified; null: however old it is
  max_report_age interval,
  -- send: a text that lacks a value goes out; hold: its issue is held
  doubtful_texts text
);

-- Every version of every policy, past, present and planned, with who made it and why.
view policy_history with (security_invoker=true) (
  -- the target it is for
  target text,
  -- the organization it is for; null: all of them
  org_id bigint,
  -- the rule it is for; null: all of them
  rule_name text,
  -- false: nothing goes to this target
  enabled boolean,
  -- least total risk that is notified
  total_risk_threshold smallint,
  -- least likelihood that is notified
  likelihood_threshold smallint,
  -- least impact that is notified
  impact_threshold smallint,
  -- least severity that is notified
  severity_threshold smallint,
  -- tags that a rule must all have to be notified
  required_tags text[],
  -- how long an issue that was notified is not notified again
  cooldown interval,
  -- most issues in one message
  max_events integer,
  -- expression that has to be greater than 0, in place of the thresholds; null: none
  filter text,
  -- the only clusters that are notified of; null: all of them
  allowed_clusters text[],
  -- clusters that are not notified of
  blocked_clusters text[],
  -- least time between two messages about one cluster
  spacing interval,
  -- so many occurrences within flapping_window make an issue flapping
  flapping_occurrences smallint,
  -- see flapping_occurrences
  flapping_window interval,
  -- notify: flapping issues are notified like others; damp: they are held
  flapping_action text,
  -- true: an issue that was notified and went is notified as resolved
  notify_resolved boolean,
  -- from when it is in force
  since timestamp with time zone,
  -- until when it is in force; null: no end yet
  until timestamp with time zone,
  -- database user who made the change
  changed_by text,
  -- why it was made
  reason text,
  -- database user who ended it without a successor
  ended_by text,
  -- why it was ended
  end_reason text,
  -- number of the version, as in explain_notification
  policy_id bigint,
  -- while the newest report of a cluster is older, nothing of it is notified; null: however old it is
  max_report_age interval,
  -- send: a text that lacks a value goes out; hold: its issue is held
  doubtful_texts text
);

-- Clusters that are not decided on yet, since more messages of the partition of their report were known to follow and may say otherwise.
view postponed_decisions with (security_invoker=true) (
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- topic/partition that is being caught up with (consumer_lag)
  waits_for text,
  -- when the decision is taken at the latest
  until timestamp with time zone
);

-- Rules and error keys that the latest load of content left out, because they do not conform. Their old versions stay in force; without one, their issues are held as no_content.
view refused_content with (security_invoker=true) (
  -- bare name of the rule, as far as it can be stored
  rule_name text,
  -- which of the rule's problems; null: the whole rule
  error_key text,
  -- everything that is wrong with it, one sentence each
  problems text[],
  -- the first load in a row that left it out
  since timestamp with time zone,
  -- the folder or content service of the latest load
  source text,
  -- error keys whose old version stays in force; empty: nothing is known of it
  kept text[]
);

-- What the registry of clusters is filled from, and how the last load went.
view registry_sources with (security_invoker=true) (
  -- its name
  source text,
  -- how many clusters are from there
  clusters integer,
  -- when it was last loaded; null: never
  loaded_at timestamp with time zone,
  -- by whom
  loaded_by text,
  -- how many lines were left out then
  refused integer,
  -- what is wrong with the first 100 of them
  problems text[],
  -- since when it cannot be loaded; null: it can
  failed_at timestamp with time zone,
  -- why it cannot
  failure text,
  -- when it was last asked, or read from a file, whatever came of it; null: never
  asked_at timestamp with time zone,
  -- how often somebody means to ask it; null: nobody said that he would
  asked_every interval
);

-- What was rejected, by hour, topic and reason, each with an example (ccx rejected show).
view rejected_summary with (security_invoker=true) (
  -- hour in which they arrived
  hour timestamp with time zone,
  -- Kafka topic they came from
  topic text,
  -- why, from a fixed vocabulary (docs/reference/reasons.md)
  reason text,
  -- how many there were
  messages bigint,
  -- how many of them no retry has stored since
  waiting bigint,
  -- when the first one arrived
  first_at timestamp with time zone,
  -- when the last one arrived
  last_at timestamp with time zone,
  -- id of the last one that waits, or of the last one
  example_id bigint,
  -- its topic/partition/offset
  example text,
  -- why it was rejected, as a sentence
  example_detail text
);

-- reported with names in place of numbers, and with the issues that were notified.
view reported_in_words with (security_invoker=true) (
  -- when it was decided
  notified_at timestamp with time zone,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the target
  target text,
  -- sent, same, lower or error, as in states
  state text,
  -- instant, as in notification_types
  notification_type text,
  -- time of the report
  updated_at timestamp with time zone,
  -- rule|ERROR_KEY of each issue that was in its messages; empty: it was skipped
  issues text[],
  -- what went wrong; null: nothing did
  error_log text
);

-- Who else uses this database, for how long, and who is in whose way, prepared transactions included. The texts of statements are in pg_stat_activity, for members of pg_read_all_stats.
view sessions with (security_invoker=true) (
  -- process of the server; pg_terminate_backend(pid) ends it; 0: a prepared transaction
  pid integer,
  -- who has logged in
  user_name text,
  -- how the program calls itself; ours begin with ccx
  application_name text,
  -- address that it comes from; null: this machine, or the server itself
  client inet,
  -- client backend, prepared transaction, or a process of the server, such as autovacuum worker
  backend_type text,
  -- active, idle, or idle in transaction: it holds locks and does nothing
  state text,
  -- since when it is in this state
  state_since timestamp with time zone,
  -- when its open transaction began, or was prepared; null: there is none
  transaction_since timestamp with time zone,
  -- when its statement began, or its last one while it is idle
  statement_since timestamp with time zone,
  -- what kind of thing it waits for; Lock: for another session
  wait_event_type text,
  -- what it waits for
  wait_event text,
  -- the sessions whose locks it waits for; 0: a prepared transaction
  waits_for integer[],
  -- the name of a prepared transaction; rollback prepared NAME ends it
  prepared_as text
);

-- Who asked not to be notified, of what, why, and whether that is pending, active or expired.
view silences with (security_invoker=true) (
  -- number of the silence
  id bigint,
  -- pending, active or expired
  state text,
  -- from when
  starts_at timestamp with time zone,
  -- until when, or when it was ended early
  ends_at timestamp with time zone,
  -- only for this organization; null: any
  org_id bigint,
  -- only for this cluster; null: any
  cluster text,
  -- only for this rule; null: any
  rule_name text,
  -- only for this error key; null: any
  error_key text,
  -- only for rules with this tag; null: any
  tag text,
  -- holds every notification
  everything boolean,
  -- why
  reason text,
  -- database user who asked
  created_by text,
  -- when
  created_at timestamp with time zone,
  -- database user who ended it early
  ended_by text
);

-- How the service is: one row for each thing that may be stuck, with how much waits and since when; state attention: look at it. ccx status prints it.
view status with (security_invoker=true) (
  -- what the row is about
  what text,
  -- the target, where it is about one
  target text,
  -- ok, or attention
  state text,
  -- how many: partitions consumed, workers that live, clusters, messages, failures in a row, jobs
  amount bigint,
  -- since when: the oldest of what is counted
  oldest timestamp with time zone,
  -- what to know about it, and where to look
  detail text
);

-- Where the brake held notifications: which rule, how many clusters were notified, how many wait, since when.
view storms with (security_invoker=true) (
  -- number of the storm, for release_storm() and drop_storm()
  id bigint,
  -- the target
  target text,
  -- the rule that is held; null: everything for this target
  rule_name text,
  -- going on, released or dropped
  state text,
  -- since when it holds
  began_at timestamp with time zone,
  -- how many clusters might be notified within an hour
  cluster_limit integer,
  -- how many had been notified in that hour when it began
  notified integer,
  -- clusters that nothing else holds now; null: it does not go on
  waiting bigint,
  -- when somebody released or dropped it
  ended_at timestamp with time zone,
  -- database user who did
  ended_by text,
  -- why
  reason text
);

-- Questions about the whole fleet that were asked, how far each is, and how long it will take.
view surveys with (security_invoker=true) (
  -- number of the survey
  id bigint,
  -- decisions, noise or backtest
  kind text,
  -- what was asked
  arguments jsonb,
  -- the moment that it is about
  at timestamp with time zone,
  -- who asked
  asked_by text,
  -- whether survey_schedule asked
  is_scheduled boolean,
  -- waiting, running, done or given up
  state text,
  -- into how many parts it is cut
  parts integer,
  -- how many of them are answered
  parts_done integer,
  -- how many clusters there were when it was asked
  clusters integer,
  -- how many of them are in parts that are answered
  clusters_done integer,
  -- how long the parts took so far, added up
  seconds double precision,
  -- how long the others will take one process; several share it; null: it ended, or nothing is known yet
  seconds_left double precision,
  -- when it was done or given up
  ended_at timestamp with time zone,
  -- why it was given up; null: it was not
  problem text
);

-- Of each upload: where it is, how long each step took, and why it failed. Ask for a request_id, or for the newest by received_at.
view upload_status with (security_invoker=true) (
  -- what everybody knows the upload by
  request_id text,
  -- the organization
  org_id bigint,
  -- the cluster, where the identity named one
  cluster text,
  -- whom the archive is for; null: another ingress took it
  service text,
  -- what kind of archive it is
  category text,
  -- bytes of the archive
  size bigint,
  -- stored, announced, not announced (given up, see failure), processing, done or failed
  state text,
  -- when the request began to arrive
  received_at timestamp with time zone,
  -- when it was complete and stored
  stored_at timestamp with time zone,
  -- when Kafka had the announcement
  announced_at timestamp with time zone,
  -- when its rules began to run
  processing_at timestamp with time zone,
  -- when the last of its steps ended, well or not
  ended_at timestamp with time zone,
  -- how long the client took to send it, and we to store it
  storing interval,
  -- from then until Kafka had the announcement
  announcing interval,
  -- from then until its rules began to run
  waiting interval,
  -- how long that took
  processing interval,
  -- from its arrival to the end
  whole interval,
  -- why it failed, or why it could not be announced so far
  failure text,
  -- which service said the last word
  ended_by text,
  -- its content is still in the store
  is_kept boolean,
  -- the first archive of the organization with the same content
  duplicate_of bigint
);

-- What users think of an issue, in the form of the aggregator's table; an insert is a vote, and a second one of the same user takes the place of the first.
view aggregator.cluster_rule_user_feedback with (security_invoker=true) (
  -- the cluster
  cluster_id text,
  -- the rule as reports spell it (x.report)
  rule_id text,
  -- which of the rule's problems
  error_key text,
  -- the user, as the identity names him
  user_id text,
  -- organization of the user, as text
  org_id text,
  -- what the user says
  message text,
  -- 1 like, -1 dislike, 0 neither
  user_vote smallint,
  -- when the first vote or text came, in UTC
  added_at timestamp without time zone,
  -- when the last one came, in UTC
  updated_at timestamp without time zone
);

-- The version of the aggregator's schema that these views stand for; its programs refuse any other.
view aggregator.migration_info with (security_invoker=true) (
  -- always 32
  version integer
);

-- The open issues in the form of the aggregator's table. They come from reports: an insert has to name one of them, and changes nothing.
view aggregator.recommendation with (security_invoker=true) (
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster, in lower case
  cluster_id text,
  -- the rule's full module, without .report
  rule_fqdn text,
  -- which of the rule's problems
  error_key text,
  -- both: module|KEY
  rule_id text,
  -- when the newest report was received, in UTC
  created_at timestamp without time zone,
  -- since when the issue is there without a break, in UTC
  impacted_since timestamp without time zone
);

-- The newest report of each cluster in the form of the aggregator's table; an insert counts as a message does.
view aggregator.report with (security_invoker=true) (
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster, in lower case
  cluster text,
  -- what is stored of the report, as JSON; empty: its day is gone
  report text,
  -- when it was received, in UTC
  reported_at timestamp without time zone,
  -- the time of the report, in UTC
  last_checked_at timestamp without time zone,
  -- always 0, as in the aggregator's table
  kafka_offset bigint,
  -- when the cluster gathered it, in UTC
  gathered_at timestamp without time zone
);

-- The OpenShift version of each cluster in the form of the aggregator's table; an insert goes to the newest report.
view aggregator.report_info with (security_invoker=true) (
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster, in lower case
  cluster_id text,
  -- its OpenShift version, as the newest report has it
  version_info text
);

-- Our tables, views, sequences and functions with the rights of the owner: what only the roles are to use.
view ccx.closed_object with (security_invoker=true) (
  -- table (or view), sequence or function
  kind text,
  -- how a statement names it
  object text
);

-- The tables whose rows belong to an organization or a cluster, in the order in which forget() empties them.
view ccx.cluster_table with (security_invoker=true) (
  -- the order
  nth integer,
  -- the table; a partition by its own name
  name text,
  -- the condition that a row is of the organization $1; null: by_issue
  org text,
  -- what of a row names the cluster; null: by_issue, or the row is about the whole organization
  cluster text,
  -- the row belongs to whom its issue belongs to
  by_issue boolean,
  -- made by people, about the organization or the cluster: it stays when a cluster only stops reporting
  by_people boolean
);

-- The tables that the console shows, each with the view that it reads.
view ccx.console_list with (security_invoker=true) (
  -- name of the table in the console
  name text,
  -- the view or table that it reads
  relation text,
  -- the columns that tell its rows apart
  keys text[],
  -- what it may be narrowed by: columns, and rule in any spelling
  filters text[],
  -- the column that from and to narrow
  time_column text
);

-- The roles of the database, what each is for, and its timeouts.
view ccx.database_role with (security_invoker=true) (
  -- name of the role
  name text,
  -- what it is for
  purpose text,
  -- how long a statement may take; 0: for ever
  statement_timeout text,
  -- how long it may wait for a lock
  lock_timeout text,
  -- how long a transaction may do nothing
  idle_timeout text
);

-- Every right that the roles and PUBLIC have now, in the form of wanted_right.
view ccx.given_right with (security_invoker=true) (
  -- table (or view), sequence, function, schema, database or role
  kind text,
  -- the object, as a statement names it
  object text,
  -- the role that has it; public: everybody
  role text,
  -- what it is allowed; MEMBER: it is a member of the role
  privilege text,
  -- the column, where it is not the whole object
  column_name text
);

-- Every right that anybody has now on the database, its schemas that we use, and what is in them.
view ccx.held_right with (security_invoker=true) (
  -- table (or view), sequence, function, schema or database
  kind text,
  -- the object, as a statement names it
  object text,
  -- who has it; 0: everybody
  grantee oid,
  -- what he may do
  privilege text,
  -- the column, where it is not the whole object
  column_name text,
  -- who gave it
  grantor oid,
  -- true: he may give it to others
  is_grantable boolean,
  -- whose object it is
  owner oid
);

-- The tables whose rows belong to organizations, and the condition by which a row is among those that somebody sees.
view ccx.organization_policy with (security_invoker=true) (
  -- the table
  name text,
  -- the condition; {x} stands for: x is an organization that the role may see
  condition text
);

-- Every right on what is ours that somebody has by himself, who is neither the owner nor a role of ours, nor a superuser. The view doctor warns of those that are not foreseen.
view ccx.other_right with (security_invoker=true) (
  -- the login, or role of the site
  grantee text,
  -- table (or view), sequence, function or schema
  kind text,
  -- the object, as a statement names it
  object text,
  -- what he may do with it
  rights text,
  -- true: to insert into a table that other programs write as well
  is_foreseen boolean,
  -- what takes it from him
  statement text
);

-- The tables, days and views that are ours, and not of somebody else who uses the same schemas.
view ccx.our_relation with (security_invoker=true) (
  -- the table or view
  oid oid,
  -- its schema
  schema name,
  -- its name
  name name,
  -- r: a table, p: a partitioned one, v: a view
  kind "char",
  -- true: it is a partition
  is_day boolean,
  -- whose it is
  owner oid,
  -- true: row-level security is on
  is_closed boolean,
  -- how a statement names it
  object text
);

-- explain_notification of the thousand clusters that reported last: what the console lists of a large fleet until it is narrowed.
view ccx.recent_decision with (security_invoker=true) (
  -- the target
  target text,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- notify or hold
  decision text,
  -- every reason to hold it
  reasons text[],
  -- 1 low to 4 critical; null without content
  total_risk smallint,
  -- when it was last notified through this target
  last_notified_at timestamp with time zone,
  -- when cooldown, spacing, damping and the wait after a failed rendering have ended
  next_eligible_at timestamp with time zone,
  -- new, regressed (gone and back), flapping, or resolved (gone)
  issue_state text,
  -- time of the first report that had it
  first_seen timestamp with time zone,
  -- time of the newest report that has it
  last_seen timestamp with time zone,
  -- the issue
  issue_id bigint
);

-- Rejected messages as the console lists them, without their bytes.
view ccx.rejected_row with (security_invoker=true) (
  -- number of the message
  id bigint,
  -- when it arrived
  received_at timestamp with time zone,
  -- why it was rejected, for programs
  reason text,
  -- the topic it came from
  topic text,
  -- the partition of the topic
  partition integer,
  -- its place in the partition
  kafka_offset bigint,
  -- its organization, where the message says so
  org_id bigint,
  -- its cluster, where the message says so
  cluster text,
  -- how long it is
  bytes integer,
  -- how often a retry failed
  attempts integer,
  -- waiting, or stored by a retry
  state text,
  -- why it was rejected, for people
  detail text
);

-- The statements that this database still needs to have its roles, policies and rights, in their order; empty when it has them. ccx migrate --with-roles runs them.
view ccx.role_change with (security_invoker=true) (
  -- place in the order
  "position" integer,
  -- the statement
  statement text,
  -- the privilege that whoever runs it has to have
  needs text
);

-- The policies of row-level security that each table with rows of organizations has.
view ccx.row_policy with (security_invoker=true) (
  -- the table
  table_name text,
  -- name of the policy
  policy text,
  -- whom it concerns; public: everybody but the owner
  role text,
  -- true: it opens rows; false: it narrows what others open
  is_permissive boolean,
  -- the condition, for what is read and for what is written
  condition text
);

-- How loud each rule was, as the console lists it: of a large fleet as the newest survey counted it, of a small one now.
view ccx.shown_noise with (security_invoker=true) (
  -- the moment that it is of
  at timestamp with time zone,
  -- the target
  target text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- how many times an issue of it was notified
  notified bigint,
  -- about how many clusters
  clusters bigint,
  -- to how many organizations
  organizations bigint,
  -- in how many reports it was
  sightings numeric,
  -- share of the sightings that were not notified: 1 - notified / sightings
  dedup_ratio numeric,
  -- how many times it appeared
  occurrences bigint,
  -- issues of it that flapped, by the target's policy
  flapping_issues bigint,
  -- how many times it went within an hour after it had appeared
  gone_within_an_hour bigint,
  -- how many clusters had it
  open_issues bigint
);

-- The way of a report: what waits where, since when, and how much passed in the last hour.
view ccx.stations with (security_invoker=true) (
  -- results topic, decisions or delivery
  station text,
  -- of delivery: to which target
  target text,
  -- how many messages or clusters wait; null: unknown
  waiting numeric,
  -- since when the oldest waits; null: none does
  oldest timestamp with time zone,
  -- how many passed in the last hour
  per_hour bigint,
  -- ok, or what is the matter; of delivery the state of the circuit
  state text
);

-- What each role may do with each table: the matrix, one row for a table and a role.
view ccx.table_right with (security_invoker=true) (
  -- the table; a partitioned one stands for its days, which no role may use directly
  name text,
  -- the role
  role text,
  -- r select, a insert, w update, d delete; columns in brackets where it is not all of them; empty: nothing
  letters text
);

-- Every right that the roles are to have: the matrix table_right, with views, functions, sequences and schemas.
view ccx.wanted_right with (security_invoker=true) (
  -- table (or view), sequence, function, schema, database or role
  kind text,
  -- the object, as a statement names it
  object text,
  -- the role that is to have it
  role text,
  -- what it is to be allowed; MEMBER: to be a member of the role
  privilege text,
  -- the column, where it is not the whole object
  column_name text
);

-- Which cell this is, how it is, and what a fleet can ask of it; one row.
view fleet.cell_state with (security_invoker=true) (
  -- name of the cell
  cell text,
  -- the buckets of its clusters
  buckets int4multirange,
  -- when it became this cell; null: it never had another share
  adopted_at timestamp with time zone,
  -- the release whose functions it has
  release text,
  -- what the view status wants somebody to look at; empty: all is well
  attention text[],
  -- every column that a fleet can ask for, as fleet.VIEW.COLUMN: cells may be of different releases
  columns text[]
);

-- The clusters of this cell, each with the times of its newest report.
view fleet.cluster with (security_invoker=true) (
  -- name of the cell
  cell text,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- time of its newest readable report
  updated_at timestamp with time zone,
  -- when that report was stored
  received_at timestamp with time zone,
  -- when it left this organization; null: it is still there
  left_at timestamp with time zone,
  -- the version of OpenShift that the report names
  cluster_version text
);

-- What this cell has decided and not delivered: the view delivery_gap.
view fleet.delivery_gap with (security_invoker=true) (
  -- name of the cell
  cell text,
  -- where it goes
  target text,
  -- number of the message
  notification_id bigint,
  -- id the receiver sees
  message_id uuid,
  -- organization that is to be notified
  org_id bigint,
  -- cluster it is about
  cluster text,
  -- how many issues it names
  issues bigint,
  -- when it was decided
  decided_at timestamp with time zone,
  -- how long ago that is
  age interval,
  -- how many times it was handed to a worker
  attempts integer,
  -- when it may be tried (again), or the lease of the worker that has it ends
  next_attempt_at timestamp with time zone,
  -- when it is given up if nothing gets through until then; null: not tried yet
  given_up_at timestamp with time zone,
  -- what kind of failure the last one was
  failure text,
  -- what went wrong the last time
  last_error text,
  -- a worker has it until then; null: nobody has it
  leased_until timestamp with time zone,
  -- not claimed before, since the circuit of its target is open (delivery_circuit); null: closed
  held_until timestamp with time zone,
  -- the message that it repeats; null: none
  replay_of bigint,
  -- pending, or withdrawn (last_error says why): nothing of it was left to notify
  state text
);

-- What somebody should look at in this cell: the view doctor.
view fleet.doctor with (security_invoker=true) (
  -- name of the cell
  cell text,
  -- error: the service cannot do its work; warning: it will not, or does it late
  severity text,
  -- what it is about
  topic text,
  -- what was found, with figures
  finding text,
  -- what it means for customers or for the service
  meaning text,
  -- what to do about it, or the query or command that shows more
  what_to_do text
);

-- Where what this cell keeps differs from what it recomputes: the view drift; empty unless something is wrong.
view fleet.drift with (security_invoker=true) (
  -- name of the cell
  cell text,
  -- newest report, missing issue, surplus issue, history, notification, or elsewhere
  what text,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- what differs
  detail text
);

-- Why is (or is not) somebody notified, in this cell: the view explain_notification.
view fleet.explain_notification with (security_invoker=true) (
  -- name of the cell
  cell text,
  -- the target
  target text,
  -- organization that owns the cluster
  org_id bigint,
  -- the cluster
  cluster text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- notify or hold
  decision text,
  -- every reason to hold it
  reasons text[],
  -- 1 low to 4 critical; null without content
  total_risk smallint,
  -- when it was last notified through this target
  last_notified_at timestamp with time zone,
  -- when cooldown, spacing, damping and the wait after a failed rendering have ended
  next_eligible_at timestamp with time zone,
  -- 1 = new, more = gone and back
  occurrence integer,
  -- new, regressed (gone and back), flapping, or resolved (gone)
  issue_state text,
  -- time of the first report that had it
  first_seen timestamp with time zone,
  -- time of the newest report that has it
  last_seen timestamp with time zone,
  -- the issue
  issue_id bigint,
  -- policy version that decided
  policy_id bigint,
  -- content version that decided
  content_id bigint,
  -- the silence that holds it
  silence_id bigint,
  -- the acknowledgement that holds it
  acknowledgement_id bigint,
  -- why its texts could not be rendered
  render_error text
);

-- What this cell has notified: the ledger, with names in place of its numbers.
view fleet.notified with (security_invoker=true) (
  -- name of the cell
  cell text,
  -- the target
  target text,
  -- organization that was notified
  org_id bigint,
  -- the cluster
  cluster text,
  -- the rule, as reports spell it
  component text,
  -- which of the rule's problems
  error_key text,
  -- 1 = new, more = gone and back
  occurrence integer,
  -- when it was decided to notify
  notified_at timestamp with time zone,
  -- while it is not notified again
  cooldown_period tstzrange,
  -- when it was notified again; infinity: not yet
  superseded_at timestamp with time zone,
  -- true: that it is gone was notified
  resolved boolean,
  -- false: it was given up, or is a replay, and counts no more
  live boolean,
  -- id of the message, different in all cells
  message_id uuid,
  -- how the message is: pending, sent, dead and so on
  state text
);

-- What is set in this cell, now or from a later time on, and should be the same in every cell.
view fleet.setting_in_force with (security_invoker=true) (
  -- name of the cell
  cell text,
  -- policy, silence, acknowledgement, content or retention
  kind text,
  -- what it is about
  name text,
  -- what is set; of the texts of content: a hash
  setting jsonb
);

-- Functions -------------------------------------------------------------------------------------------

-- Agrees to the next load of content that content_guard would refuse, within this time; once. Returns until when.
function accept_content(valid_for interval DEFAULT '01:00:00'::interval, at timestamp with time zone DEFAULT now())
  returns timestamp with time zone
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Stops notification an organization, or one of its clusters, about a rule (any spelling); false when it was so already.
function acknowledge(org_id bigint, rule text, cluster text DEFAULT NULL::text, error_key text DEFAULT NULL::text, justification text DEFAULT NULL::text)
  returns boolean
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Lets whoever has the token with this SHA-256 call the results API for an organization; returns until when (null: until it is revoked). Raises NTT01 for a time that is none.
function add_api_token(token_hash bytea, org_id bigint, name text, valid_for interval DEFAULT NULL::interval)
  returns timestamp with time zone
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Holds notifications until ends_at or (null) as long as it lasts: those of an organization, a cluster, a rule (any spelling), an error key, a tag, or a combination; everything => true for all. Preview it with preview_silence().
function add_silence(ends_at timestamp with time zone, reason text, org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, rule text DEFAULT NULL::text, error_key text DEFAULT NULL::text, tag text DEFAULT NULL::text, starts_at timestamp with time zone DEFAULT NULL::timestamp with time zone, everything boolean DEFAULT false, at timestamp with time zone DEFAULT now(), lasts interval DEFAULT NULL::interval)
  returns silence
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Makes this database the cell of these buckets and forgets the clusters of all others, at once or not at all; returns how many rows of which table went. Uploads stay with_uploads only. Raises NTZ01 to NTZ03.
function adopt_cell(name text, buckets int4multirange, with_uploads boolean DEFAULT false)
  returns TABLE(table_name text, row_count bigint)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Asks about the whole fleet, for workers to answer in parts: decisions, noise, or backtest (arguments target, from, to, policy, org_id). Returns its number in surveys, or that of the same question, if it is at most so old.
function ask_survey(kind text, arguments jsonb DEFAULT '{}'::jsonb, at_most_old interval DEFAULT '01:00:00'::interval, part_clusters integer DEFAULT NULL::integer, scheduled boolean DEFAULT false)
  returns bigint
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- What would have been sent to a target, day by day (UTC), if its policy, or that of one organization, had had these settings (as for set_policy, '{"cooldown": "3 days"}'); null: the real policies. Reads only.
function backtest(target text, from_time timestamp with time zone, to_time timestamp with time zone, policy jsonb DEFAULT NULL::jsonb, org_id bigint DEFAULT NULL::bigint)
  returns TABLE(day date, issues bigint, messages bigint, clusters bigint, organizations bigint)
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- What a rule would have found in the archives kept since then, or in seven days: a row for each hit and each failure.
function backtest_rule(rule text, since timestamp with time zone DEFAULT NULL::timestamp with time zone)
  returns TABLE(archive_id bigint, org_id bigint, cluster text, announced_at timestamp with time zone, error_key text, details jsonb, reason text, detail text, ms double precision)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The bucket of a cluster, 0 to 255: the first byte of the MD5 of its name in lower case. Null for null.
function bucket_of(cluster text)
  returns integer
  language sql immutable strict parallel safe;

-- Ends a survey: parts that are under way end, others do not begin. Returns whether it was not over yet.
function cancel_survey(id bigint)
  returns boolean
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Closes the circuit of this target, so that everything that is due is sent at once; false: it was not open. It opens again if the receiver is still down.
function close_circuit(target text)
  returns boolean
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- What was sent to a target (…_before) beside what backtest() says would have been with these settings, day by day (UTC), for one organization or for all.
function compare_backtest(target text, from_time timestamp with time zone, to_time timestamp with time zone, policy jsonb, org_id bigint DEFAULT NULL::bigint)
  returns TABLE(day date, issues_before bigint, issues bigint, messages_before bigint, messages bigint, clusters_before bigint, clusters bigint, organizations_before bigint, organizations bigint)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The issues that only one of the two services notified within a period, and why: for a time in which ours runs in shadow beside the other one.
function compare_notifications(since timestamp with time zone, until timestamp with time zone DEFAULT now())
  returns TABLE(target text, org_id bigint, cluster text, component text, error_key text, notified_by text, notified_at timestamp with time zone, why text)
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- Notify or hold, with every reason, for this target (null: each of them) at this time, past or present: one row for each open issue (clusters: only these), and for each that went and is to be notified as resolved. Reads only; same inputs, same answer.
function decide(target integer, at timestamp with time zone, clusters text[] DEFAULT NULL::text[], settings_at timestamp with time zone DEFAULT NULL::timestamp with time zone)
  returns SETOF decision
  language sql stable parallel safe;

-- Ends a storm: the issues that it named and that were open stay held until they go (unless their cooldown ran); what appears later is decided as ever. Raises NTW01 without a reason, NTW02 when no such storm goes on.
function drop_storm(id bigint, reason text, at timestamp with time zone DEFAULT now())
  returns storm
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Ends the policy that an organization or a rule has of its own; the wider one counts again.
function end_policy(target text, reason text, at timestamp with time zone DEFAULT now(), org_id bigint DEFAULT NULL::bigint, rule text DEFAULT NULL::text)
  returns policy
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Removes a source of the registry of clusters that nobody asks any more, and returns how many clusters it has. They stay, as if written by hand; with_clusters: they go, too. Refused while it is asked.
function end_registry_source(source text, with_clusters boolean DEFAULT false)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Ends a silence early; what it held is asked again. It stays on record.
function end_silence(id bigint, at timestamp with time zone DEFAULT now())
  returns silence
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- explain_notification as it was at this time, for one target, cluster, organization and rule (any spelling) or (null) for all; what people set counts as it stood at settings_at (null: at the same time).
function explain_at(at timestamp with time zone, target text DEFAULT NULL::text, cluster text DEFAULT NULL::text, settings_at timestamp with time zone DEFAULT NULL::timestamp with time zone, org_id bigint DEFAULT NULL::bigint, rule text DEFAULT NULL::text)
  returns SETOF explanation
  language sql stable parallel safe;

-- What became of one stored report, for each target and hit: report_state (decided, waiting, postponed until more is known, superseded by a newer report, unreadable, nothing to record) and the decision of then, or as of now.
function explain_report(org_id bigint, cluster text, updated_at timestamp with time zone, at timestamp with time zone DEFAULT now())
  returns TABLE(report_state text, target text, component text, error_key text, decided_at timestamp with time zone, decision text, reasons text[], issue_state text, last_notified_at timestamp with time zone, next_eligible_at timestamp with time zone, policy_id bigint, content_id bigint, silence_id bigint, acknowledgement_id bigint, postponed_until timestamp with time zone)
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- Deletes an organization (the next part of it: call again until no row comes) or a cluster, wherever it is; returns how many rows of which table. Contents of archives follow (task tidy_archives). Raises NTR05.
function forget(org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text)
  returns TABLE(name text, row_count bigint)
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Makes what another service notified (rows of reported, state sent, within the longest cooldown) count as notified; returns how many messages and issues. With only_clusters: what waits in reported_elsewhere. Again does no harm.
function import_reported(at timestamp with time zone DEFAULT now(), only_clusters text[] DEFAULT NULL::text[])
  returns TABLE(notifications integer, issues integer)
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Takes over the whole rule content (objects with the columns of rule_content). refused: what the source holds but does not conform, stays as it was. accepted: a person agrees to whatever changes. vanished, appeared: rules; see rename_rule().
function load_content(content jsonb, at timestamp with time zone DEFAULT now(), refused jsonb DEFAULT '[]'::jsonb, source text DEFAULT 'load_content()'::text, accepted boolean DEFAULT false)
  returns TABLE(added integer, changed integer, removed integer, unchanged integer, refused_count integer, vanished text[], appeared text[])
  language plpgsql volatile
  set lock_timeout=10s
  set search_path=public, ccx, pg_temp;

-- Makes the clusters of a source what read_registry() read in this transaction. kept: by hand, or of another source; elsewhere: of other cells; refused: lines left out. accepted: a person agrees to whatever changes. asked_every: as in note_registry().
function load_registry(source text, location_hash bytea DEFAULT NULL::bytea, etag text DEFAULT NULL::text, last_modified text DEFAULT NULL::text, accepted boolean DEFAULT false, asked_every interval DEFAULT NULL::interval)
  returns TABLE(added integer, changed integer, removed integer, unchanged integer, kept integer, elsewhere integer, refused integer, problems text[])
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Replaces the SQL rules by those given: [{name, component, description, reads, tags, links, source}]. Raises NTY02 for none, NTY03 for one that is no query of (error_key text, details jsonb).
function load_rules(rules jsonb, at timestamp with time zone DEFAULT now())
  returns TABLE(rule text, action text)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The issues in this message, in their order, each with the version of the content and the details of the hit that its texts are made from. `ccx delivery show` makes them.
function message_issues(notification_id bigint)
  returns TABLE(target text, state text, ended_at timestamp with time zone, resolved boolean, report_is_kept boolean, issues jsonb, message_id uuid, org_id bigint, account_number bigint, cluster text, updated_at timestamp with time zone, decided_at timestamp with time zone, first_tried_at timestamp with time zone)
  language sql stable;

-- What a decision at this time would have notified, or did notify: with what was known then.
function new_issues_at(at timestamp with time zone, target text DEFAULT NULL::text)
  returns SETOF explanation
  language sql stable parallel safe;

-- How loud each rule was between two times (until now unless said), per target, as in the view noise; what is open or flaps is that at the end; first_org, last_org: only of these organizations. Retention bounds how far back it sees.
function noise_between(from_time timestamp with time zone, to_time timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, at timestamp with time zone DEFAULT now(), first_org bigint DEFAULT NULL::bigint, last_org bigint DEFAULT NULL::bigint)
  returns TABLE(target text, component text, error_key text, notified bigint, clusters bigint, organizations bigint, sightings numeric, dedup_ratio numeric, occurrences bigint, flapping_issues bigint, gone_within_an_hour bigint, open_issues bigint)
  language sql stable parallel safe;

-- Puts the documents of a kept archive into the temporary table files, until the transaction ends: begin; select open_archive(1); select … from files; returns how many there are.
function open_archive(archive_id bigint)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Whether a cluster belongs to this database (its cell); always true where there is one cell. Null for null.
function owns(cluster text)
  returns boolean
  language sql stable parallel safe;

-- How many rows of which table forget() would delete; tables without any are left out. Raises NTR05 without an organization and a cluster.
function preview_forget(org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text)
  returns TABLE(name text, row_count bigint)
  language plpgsql stable security definer
  set search_path=public, ccx, pg_temp;

-- The messages that ended (sent or given up) in this stretch of time and that replay() would send again, with the issues they would name; target, organization, cluster and rule (any spelling) narrow it down.
function preview_replay(started_at timestamp with time zone, stopped_at timestamp with time zone, target text DEFAULT NULL::text, org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, rule text DEFAULT NULL::text, again boolean DEFAULT false, at timestamp with time zone DEFAULT now())
  returns TABLE(notification_id bigint, target text, org_id bigint, cluster text, state text, ended_at timestamp with time zone, issue_ids bigint[])
  language sql stable
  set search_path=public, ccx, pg_temp;

-- What retain() would drop or delete at this time, and what holds the rest: days with the rows of their last analyze, single rows counted. More may follow once these are gone.
function preview_retention(at timestamp with time zone DEFAULT now())
  returns TABLE(action text, name text, row_count bigint, bytes bigint, older_than timestamp with time zone, held_by text)
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- The open issues that such a silence would hold.
function preview_silence(org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, rule text DEFAULT NULL::text, error_key text DEFAULT NULL::text, tag text DEFAULT NULL::text, at timestamp with time zone DEFAULT now())
  returns TABLE(org_id bigint, cluster text, component text, error_key text, first_seen timestamp with time zone)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- What redrive() would find: messages that were given up, counted by target, failure and why they cannot be redriven (null: they can). All that is given narrows it; since: given up at that time or later.
function redrivable(target text DEFAULT NULL::text, org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, failure text DEFAULT NULL::text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, notification_id bigint DEFAULT NULL::bigint)
  returns TABLE(target text, failure text, refusal text, messages integer, notification_ids bigint[])
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Puts messages that were given up (dead_letter) back into the outbox under the same id; their issues count as notified again. Returns a row for each: how many issues it names and leaves out, or why it was refused.
function redrive(notification_ids bigint[], at timestamp with time zone DEFAULT NULL::timestamp with time zone)
  returns TABLE(notification_id bigint, target text, issues integer, left_out integer, refusal text)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Has dead analyses (dead_analysis) tried again, from the download on. Returns a row for each, with why it was refused.
function redrive_analyses(analysis_ids bigint[], at timestamp with time zone DEFAULT clock_timestamp())
  returns TABLE(analysis_id bigint, refusal text)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Tries announcements again that were given up: of one upload, or (null) all whose archives are still kept; returns how many.
function redrive_announcements(request_id text DEFAULT NULL::text, at timestamp with time zone DEFAULT now())
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Messages that were rejected and match all that is given, without their bytes; stored: also those that a retry has stored since. Names by ids or by positions (TOPIC/PARTITION/OFFSET).
function rejected_messages(reason text DEFAULT NULL::text, topic text DEFAULT NULL::text, org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, until timestamp with time zone DEFAULT NULL::timestamp with time zone, ids bigint[] DEFAULT NULL::bigint[], positions text[] DEFAULT NULL::text[], stored boolean DEFAULT false)
  returns TABLE(id bigint, "position" text, received_at timestamp with time zone, reason text, org_id bigint, cluster text, bytes integer, attempts integer, stored_at timestamp with time zone, detail text)
  language sql stable parallel safe;

-- Ends a storm: what it held is decided anew, by what counts then, and for a day the brake does not count the rule. Raises NTW01 without a reason, NTW02 when no such storm goes on.
function release_storm(id bigint, reason text, at timestamp with time zone DEFAULT now())
  returns storm
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- A rule that has another name or module now: its issues go on, with their occurrences, cooldowns, silences, acknowledgements and policies; those that reports opened under the new name become one with them.
function rename_rule(old text, new text)
  returns TABLE(old_component text, new_component text, issues integer, merged integer, silences integer, acknowledgements integer, policies integer)
  language plpgsql volatile
  set lock_timeout=1s
  set search_path=public, ccx, pg_temp;

-- Sends again what ended (sent or given up) in this stretch of time, under new ids (notification.replay_of); see preview_replay(). again: also what was replayed already. Returns how much goes to each target.
function replay(started_at timestamp with time zone, stopped_at timestamp with time zone, target text DEFAULT NULL::text, org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, rule text DEFAULT NULL::text, again boolean DEFAULT false, at timestamp with time zone DEFAULT NULL::timestamp with time zone)
  returns TABLE(target_name text, messages integer, issues integer, clusters integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- What replay() would send again, counted by target and by how it ended (sent or dead); preview_replay() names the messages.
function replayable(started_at timestamp with time zone, stopped_at timestamp with time zone, target text DEFAULT NULL::text, org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, rule text DEFAULT NULL::text, again boolean DEFAULT false)
  returns TABLE(target text, state text, messages integer, issues integer, clusters integer)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Does the next step of retention, and says what it was (detached or dropped a day, deleted rows that belong to no day); no row: nothing is left to do, or somebody else does it. Raises NTR06, and 55P03 where the table is busy: call it again.
function retain(at timestamp with time zone DEFAULT now())
  returns TABLE(action text, name text, row_count bigint, bytes bigint)
  language plpgsql volatile security definer
  set lock_timeout=250ms
  set search_path=public, ccx, pg_temp;

-- Decides again for the clusters that were put aside (stuck_cluster), of this organization, this cluster, or (null) all of them; returns how many.
function retry_stuck(org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Takes back every token of this name of an organization; returns how many.
function revoke_api_token(org_id bigint, name text)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Answers the next part of this survey (null: of any); returns its survey, null: no part waits. Workers call it; whoever is in a hurry may, too, as often and in as many connections as there are processors.
function run_survey_part(survey_id bigint DEFAULT NULL::bigint)
  returns bigint
  language plpgsql volatile
  set jit=off
  set search_path=public, ccx, pg_temp;

-- Says how long contents of archives are kept, and how many bytes at most (null: no limit).
function set_archive_limits(keep interval, max_bytes bigint DEFAULT NULL::bigint)
  returns archive_limits
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Changes the policy of a target from this time on, for everybody or only for an organization, a rule (any spelling) or both; for example set_policy('service log', '{"enabled": true}', 'go-live'). Clusters that report are asked again.
function set_policy(target text, change jsonb, reason text, at timestamp with time zone DEFAULT now(), org_id bigint DEFAULT NULL::bigint, rule text DEFAULT NULL::text)
  returns policy
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Says how long a table keeps its rows; raises NTR02 for days of reports kept for less than the longest cooldown.
function set_retention(parent text, keep interval)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Chooses how ours lives with the service before it: together, or in shadow. What that one notified meanwhile counts as soon as it is together again.
function set_side_by_side(mode text, OUT before text, OUT after text)
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The answer of a survey of the kind backtest, day by day, as backtest() gives it.
function surveyed_days(survey_id bigint)
  returns TABLE(day date, issues bigint, messages bigint, clusters bigint, organizations bigint)
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The number of a target by its name; an error that lists the names when there is none.
function target_id(target text)
  returns integer
  language plpgsql stable parallel safe
  set search_path=public, ccx, pg_temp;

-- The way of an upload (a request id, or a cluster: its newest) from the cluster to the customer.
function trace(what text)
  returns TABLE(place bigint, at timestamp with time zone, step text, took interval, request_id text, org_id bigint, cluster text, detail text)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- What was said about an upload, the latest first, as a payload tracker answers.
function track_upload(request_id text)
  returns TABLE(org_id bigint, account_number text, service text, status text, status_msg text, date timestamp with time zone)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The hits of a rule on a kept archive, or why it fails; nothing is stored or published.
function try_rule(rule text, archive_id bigint)
  returns TABLE(error_key text, details jsonb, reason text, detail text)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Takes an acknowledgement back; what it held is asked again. False when there was none.
function unacknowledge(org_id bigint, rule text, cluster text DEFAULT NULL::text, error_key text DEFAULT NULL::text)
  returns boolean
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Takes back a policy that is planned and has not begun; the one before it goes on. Returns it. Raises NTP15, NTP16.
function withdraw_policy(id bigint, reason text)
  returns policy
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Makes a stored upload count: archive, announcement and status, together. Says under which request id, and whether it is new, renamed (somebody else has the id that was given) or repeated (nothing was done).
function ccx.accept_upload(upload jsonb, content bytea DEFAULT NULL::bytea, at timestamp with time zone DEFAULT clock_timestamp())
  returns TABLE(request_id text, outcome text)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- An acknowledgement as the public API shows it.
function ccx.ack_in_json(ack rule_disable)
  returns jsonb
  language sql stable parallel safe;

-- How rule_disable spells a rule that this organization has acknowledged; null: it has not.
function ccx.ack_spelling(org_id bigint, module text, error_key text)
  returns text
  language sql stable parallel safe;

-- When an issue notified at notified_at may be notified again under this cooldown; days and months are counted in UTC.
function ccx.add_in_utc(notified_at timestamp with time zone, cooldown interval)
  returns timestamp with time zone
  language sql immutable strict parallel safe;

-- Adds the rules and error keys that no report has named before.
function ccx.add_rules(hits ccx.seen_hit[])
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Moves latest_report forward; returns the clusters that it moved for (null: none), those that may have changed hands, and of each report which new one of its cluster it is (0: pass it over), and when it arrived.
function ccx.advance_latest_reports(reports ccx.arrived_report[], is_replaced boolean, OUT org_ids bigint[], OUT clusters text[], OUT to_settle text[], OUT ordinals integer[], OUT received_ats timestamp with time zone[])
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- An acknowledgement as the aggregator shows it.
function ccx.aggregator_ack(ack rule_disable)
  returns jsonb
  language sql stable parallel safe;

-- The acknowledgements of an organization, or one of them (null: it has not acknowledged that rule).
function ccx.aggregator_acks(org_id bigint, module text DEFAULT NULL::text, error_key text DEFAULT NULL::text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- What hits each of these clusters of an organization, with its version and the time of its report.
function ccx.aggregator_clusters(org_id bigint, clusters text[])
  returns text
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- The rules that an organization has switched off for its clusters, or for these of them.
function ccx.aggregator_disabled(org_id bigint, clusters text[] DEFAULT NULL::text[])
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- For which clusters an organization has switched a rule off, and why.
function ccx.aggregator_disabled_clusters(org_id bigint, module text, error_key text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- One hit as the aggregator's own paths show it: without content.
function ccx.aggregator_hit(component text, error_key text, disabled_since timestamp with time zone, disable_feedback text, user_vote smallint, details jsonb)
  returns jsonb
  language sql stable parallel safe;

-- A namespace as the aggregator's own paths show it: names of clusters and severities are for whoever asks it to fill in.
function ccx.aggregator_namespace(cluster text, namespace_id text, name text, recommendations integer, objects integer, reported_at timestamp with time zone, updated_at timestamp with time zone)
  returns jsonb
  language sql stable parallel safe;

-- How an organization has rated a rule. Null: it has not.
function ccx.aggregator_rating(org_id bigint, module text, error_key text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- Why a user switched rules off for clusters.
function ccx.aggregator_reasons(org_id bigint, user_id text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The rules that hit these clusters of an organization, and which of them each hits.
function ccx.aggregator_recommendations(org_id bigint, clusters text[])
  returns text
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- The newest report of a cluster as the aggregator shows it: every hit, whatever is known about it. Null: no such cluster.
function ccx.aggregator_report(org_id bigint, user_id text, cluster text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- One hit of the newest report of a cluster. Null: there is none.
function ccx.aggregator_rule(org_id bigint, user_id text, cluster text, component text, error_key text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The clusters of an organization (of these of them) that a rule hits. Null: it hits none.
function ccx.aggregator_rule_clusters(org_id bigint, module text, error_key text, clusters text[] DEFAULT NULL::text[])
  returns text
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- What a user thinks of an issue: 1 like, -1 dislike, 0 neither. Null: he has not said.
function ccx.aggregator_vote(org_id bigint, user_id text, cluster text, module text, error_key text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- One namespace of a cluster with its recommendations and their objects, without what content says. Null: there are none about it, or no such cluster.
function ccx.aggregator_workload(org_id bigint, cluster text, namespace_id text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The namespaces of an organization, or of these of its clusters, with the number of objects by rule; workloads is null where there are none.
function ccx.aggregator_workloads(org_id bigint, clusters text[] DEFAULT NULL::text[])
  returns text
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- Runs the SQL rules on an archive and puts its result into the outbox. state: analyzed, dead or waiting (why: failure), lost (somebody else has it), or rules_changed (read the archive again).
function ccx.analyze_archive(id bigint, attempt integer, rules_version text, config_id text, paths text[], bodies text[], facts jsonb, keep boolean, release text, python json DEFAULT NULL::json, left_out jsonb DEFAULT '[]'::jsonb, lease interval DEFAULT '00:02:00'::interval, at timestamp with time zone DEFAULT clock_timestamp(), OUT state text, OUT failure text, OUT error text, OUT cluster text, OUT hits integer, OUT failed integer, OUT message text)
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Sends {event, at, details} to whoever listens on the channel ccx_events, when the transaction commits.
function ccx.announce(event text, details jsonb)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Opens, reopens and closes issues, and begins and ends occurrences, by the hits of new reports (1, 2, … of each cluster), which are known from seen_at on.
function ccx.apply_hits(hits ccx.seen_hit[], seen_at timestamp with time zone)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Marks messages as sent, to be tried again, or dead by these outcomes (settle_notifications()); returns those that an outcome counts for, null: none.
function ccx.apply_outcomes(outcomes jsonb, at timestamp with time zone)
  returns ccx.settled_notification[]
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Calls a function that changes a setting, as a fleet asks for it, and returns what it returned; raises NTZ04 to NTZ06, and what the function raises.
function ccx.apply_setting(action text, arguments jsonb, at timestamp with time zone)
  returns jsonb
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- How long and how many bytes of contents of archives are kept (archive_limits), how many archives and bytes that is now, and how many of them go next.
function ccx.archive_room(at timestamp with time zone DEFAULT now())
  returns TABLE(keep interval, max_bytes bigint, changed_by text, changed_at timestamp with time zone, kept_archives bigint, kept_bytes bigint, past_archives bigint, past_bytes bigint)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Archives of a store whose contents are kept for longer, or take more room, than archive_limits says; the oldest first.
function ccx.archives_to_remove(store text, most integer, at timestamp with time zone DEFAULT now())
  returns TABLE(archive_id bigint, object_key text)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- backtest() without its checks, of the organizations from first_org to last_org (null: without a bound).
function ccx.backtest_days(target text, from_time timestamp with time zone, to_time timestamp with time zone, policy jsonb, org_id bigint, first_org bigint DEFAULT NULL::bigint, last_org bigint DEFAULT NULL::bigint)
  returns TABLE(day date, issues bigint, messages bigint, clusters bigint, organizations bigint)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Each time an issue would have been notified through this target, by the policies of then, with change (as for set_policy) in the target-wide policy or that of only_org; of organizations from first_org to last_org alone (null: no bound).
function ccx.backtest_steps(target integer, from_time timestamp with time zone, to_time timestamp with time zone, change jsonb DEFAULT NULL::jsonb, only_org bigint DEFAULT NULL::bigint, first_org bigint DEFAULT NULL::bigint, last_org bigint DEFAULT NULL::bigint)
  returns TABLE(org_id bigint, cluster text, issue_id bigint, notified_at timestamp with time zone, policy_id bigint, max_events integer)
  language plpgsql stable
  set enable_nestloop=off
  set jit=off
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp
  set work_mem=64MB;

-- Brings the policy of a target in step with these settings, closes its circuit and makes what waits due; returns whether the policy changed, how many messages wait, and how many were withdrawn.
function ccx.begin_pass(target text, wanted jsonb, OUT policy_changed boolean, OUT waiting integer, OUT withdrawn integer)
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Locks the offset of a partition for the transaction that stores a portion of it; returns where it stands. Raises NTI01: topic created anew; NTI02: the database is behind expected_offset.
function ccx.begin_portion(topic text, partition integer, high_watermark bigint DEFAULT NULL::bigint, expected_offset bigint DEFAULT NULL::bigint)
  returns TABLE(first_offset bigint, was_behind boolean)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Takes clusters (three arrays, position by position) out of a decision that would notify more of them than storm_share allows; they are due again, and a storm begins.
function ccx.brake(at timestamp with time zone, INOUT orgs bigint[], INOUT names text[], INOUT by_report boolean[])
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- For each hour of the last day: clusters whose newest report arrived in it, messages decided, and reports of which nothing was notified.
function ccx.busy_hours(at timestamp with time zone DEFAULT now())
  returns TABLE(hour timestamp with time zone, reports bigint, notified bigint, skipped bigint)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The first so many (null: all) decisions that the open transaction would change (explain_diff), with how many there are in all and how many notify before and after; scoped as diff_in_words().
function ccx.changed_decisions(most integer DEFAULT NULL::integer, only_target text DEFAULT NULL::text, only_org bigint DEFAULT NULL::bigint, only_rule text DEFAULT NULL::text)
  returns TABLE(target text, org_id bigint, cluster text, component text, error_key text, before text, after text, next_eligible_at_before timestamp with time zone, next_eligible_at timestamp with time zone, next_eligible text, total_decisions integer, total_notify_before integer, total_notify integer)
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- The policy with these settings changed from this time on; refuses settings that do not exist, are out of bounds, or filters that cannot be read. Writes nothing.
function ccx.changed_policy(policy policy, change jsonb, at timestamp with time zone DEFAULT now())
  returns policy
  language plpgsql stable parallel safe
  set search_path=public, ccx, pg_temp;

-- verdict(), with these settings (as for set_policy) changed of the target-wide policy, or of that of an organization, whose issues alone are judged then.
function ccx.changed_verdict(target integer, at timestamp with time zone, change jsonb, org_id bigint DEFAULT NULL::bigint)
  returns SETOF ccx.issue_verdict
  language sql stable;

-- Refuses a backtest whose target, times, policy or organization make no sense (NTE01 and what changed_policy() refuses), and gives notice where nothing can be replayed.
function ccx.check_backtest(target text, from_time timestamp with time zone, to_time timestamp with time zone, policy jsonb, org_id bigint)
  returns void
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- True for a stretch of time that can be replayed; an error that says why for any other.
function ccx.check_past_period(started_at timestamp with time zone, stopped_at timestamp with time zone, at timestamp with time zone)
  returns boolean
  language plpgsql immutable
  set search_path=public, ccx, pg_temp;

-- Refuses, with a sentence, a policy that the table would not take; whether its time is free is not asked.
function ccx.check_policy(policy policy)
  returns void
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- How long an open circuit stays open after this many failed probes.
function ccx.circuit_delay(failed_probes integer)
  returns interval
  language sql volatile parallel safe;

-- Takes at most so many archives that are due, for the length of a lease, and says which of them to keep.
function ccx.claim_analyses(batch_size integer, lease interval, has_python boolean, keep_per_hour integer DEFAULT 0, at timestamp with time zone DEFAULT now())
  returns TABLE(id bigint, attempt integer, url text, request_id text, keep boolean, rules_version text, traceparent text)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Takes rejected messages that have to go to the dead-letter topic; they are due again when the lease ends.
function ccx.claim_dead_letters(batch_size integer, max_bytes bigint, lease interval, at timestamp with time zone DEFAULT now())
  returns SETOF rejected_message
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Takes up to batch_size messages that are due for this target for the length of the lease; a few or none while its circuit is open.
function ccx.claim_due(target text, batch_size integer, lease interval, at timestamp with time zone)
  returns SETOF notification
  language sql volatile
  set enable_seqscan=off
  set search_path=public, ccx, pg_temp;

-- Takes up to batch_size messages that are due for this target and still to be notified, for the length of the lease, with the issues to name and the details of their hits; a few or none while its circuit is open.
function ccx.claim_notifications(target text, batch_size integer, lease interval DEFAULT '00:02:00'::interval, at timestamp with time zone DEFAULT now())
  returns TABLE(id bigint, message_id uuid, attempt integer, org_id bigint, account_number bigint, cluster text, updated_at timestamp with time zone, decided_at timestamp with time zone, first_tried_at timestamp with time zone, resolved boolean, issues jsonb, traceparent text)
  language plpgsql volatile
  set enable_seqscan=off
  set search_path=public, ccx, pg_temp;

-- Takes results that are due to be published, for the length of a lease.
function ccx.claim_results(batch_size integer, lease interval, at timestamp with time zone DEFAULT now())
  returns TABLE(id bigint, cluster text, message text, traceparent text)
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Takes announcements and statuses that are due, in their order; they are due again when the lease ends.
function ccx.claim_upload_messages(batch_size integer, lease interval, url_valid interval, at timestamp with time zone DEFAULT clock_timestamp())
  returns TABLE(id bigint, attempt integer, kind text, request_id text, org_id bigint, account_number text, service text, status text, status_msg text, noted_at timestamp with time zone, signed_at timestamp with time zone, principal text, category text, content_type text, size bigint, store text, object_key text, b64_identity text, metadata jsonb, received_at text, stale_at timestamp with time zone, traceparent text)
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Whether a cluster was of this organization, and moved to another one: then nothing of it is shown any more.
function ccx.cluster_has_left(org_id bigint, cluster text)
  returns boolean
  language sql stable parallel safe;

-- The open issues of one cluster with what this user said of them and the details that the newest report has.
function ccx.cluster_hits(org_id bigint, user_id text, cluster text)
  returns TABLE(component text, error_key text, module text, content_id bigint, total_risk smallint, tags text[], managed boolean, acked_since timestamp with time zone, disabled_since timestamp with time zone, user_vote smallint, disable_feedback text, details jsonb, opened_at timestamp with time zone)
  language sql stable parallel safe;

-- Whether a cluster of this organization has reported.
function ccx.cluster_is_known(org_id bigint, cluster text)
  returns boolean
  language sql stable parallel safe;

-- What happened to a cluster between two times: reports, issues from opened to closed, messages, reports that notified nothing, silences of the cluster or its organization.
function ccx.cluster_life(cluster text, since timestamp with time zone, until timestamp with time zone)
  returns TABLE(kind text, lane text, begins timestamp with time zone, ends timestamp with time zone, org_id bigint, label text, id bigint, detail text)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The cluster that forget() and preview_forget() are about; null: everything of the organization. Raises NTR05 where neither is named.
function ccx.cluster_to_forget(org_id bigint, cluster text)
  returns text
  language plpgsql immutable parallel safe
  set search_path=public, ccx, pg_temp;

-- All that the views metrics_* have, one row for each sample: its name for Prometheus, what it means, its labels and its value. A view that cannot be read does not keep the others away.
function ccx.collect_metrics()
  returns TABLE(name text, help text, labels jsonb, value double precision)
  language plpgsql stable
  set lock_timeout=500ms
  set search_path=public, ccx, pg_temp;

-- What each column of a table or view means, as its comment says, by name.
function ccx.column_meanings(relation text)
  returns jsonb
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Reads a filter expression and returns it in postfix order for evaluate_filter(); refuses what it does not understand and says where.
function ccx.compile_filter(filter text)
  returns text[]
  language plpgsql immutable strict parallel safe
  set search_path=public, ccx, pg_temp;

-- True when so many of the open issues are more than one input may hold or release without a person who agrees (content_guard).
function ccx.concerns_many(issues integer, open_issues integer DEFAULT NULL::integer)
  returns boolean
  language sql stable
  set search_path=public, ccx, pg_temp;

-- A page of a table of the console: narrowed, sorted by a column and the keys, after the row whose sorted value and keys are given (null: from the start).
function ccx.console_rows(list text, filters jsonb, sort text, descending boolean, after text[], row_limit integer)
  returns TABLE(shown_row jsonb)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The texts of these content versions, as templates by name; version changes when the row does. What does not exist is left out.
function ccx.content_texts(ids bigint[])
  returns TABLE(id bigint, version text, templates jsonb)
  language sql stable parallel safe;

-- Whether these content versions are still as content_texts() gave them: the same version. What does not exist is left out.
function ccx.content_versions(ids bigint[])
  returns TABLE(id bigint, version text)
  language sql stable parallel safe;

-- The time during which an issue notified at notified_at is not notified again, as the ledger's constraint needs it.
function ccx.cooldown_period(notified_at timestamp with time zone, cooldown interval)
  returns tstzrange
  language sql immutable strict parallel safe;

-- Replays what a survey of the kind backtest asks for the organizations of a part, and adds the days to surveyed_day.
function ccx.count_backtest(s survey, p survey_part)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Counts what happened in this hour and in those since the last count, and forgets what is older than two days.
function ccx.count_busy_hours(at timestamp with time zone)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Counts the decisions of a part of a survey, and adds them to surveyed_decision.
function ccx.count_decisions(s survey, p survey_part)
  returns void
  language plpgsql volatile
  set join_collapse_limit=1
  set max_parallel_workers_per_gather=0
  set random_page_cost=1.1
  set search_path=public, ccx, pg_temp;

-- Counts the clusters that reported within a day, for the brake, and what happened in the last hours; forgets what it counted hours ago.
function ccx.count_fleet(at timestamp with time zone)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Counts how loud rules were in the week before a survey, for the organizations of a part, and adds that to surveyed_noise.
function ccx.count_noise(s survey, p survey_part)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Counts the clusters that a decision notifies, for the brake, where their target has one.
function ccx.count_notified(issues ccx.issue_to_notify[], at timestamp with time zone)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- For each hour of this time: clusters whose newest report arrived in it, messages decided, and reports of which nothing was notified.
function ccx.counted_hours(since timestamp with time zone, until timestamp with time zone)
  returns TABLE(hour timestamp with time zone, reports bigint, notified bigint, skipped bigint)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Which database this is: by that, the consumers of a group know that they store into the same one.
function ccx.database_identity()
  returns text
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Asks decide() once more about claimed messages of one target that waited and are certainly not out; what is not to be notified any more leaves them. Returns those that are withdrawn, since nothing is left.
function ccx.decide_again(notification_ids bigint[], at timestamp with time zone)
  returns bigint[]
  language plpgsql volatile
  set join_collapse_limit=1
  set max_parallel_workers_per_gather=0
  set random_page_cost=1.1
  set search_path=public, ccx, pg_temp;

-- Decides for up to batch_size waiting clusters (or only these) and commits ledger, outbox, reported and the wake-up together. Returns clusters, messages, issues notified and held, how many by target and reasons, and the traces of messages.
function ccx.decide_due(batch_size integer, at timestamp with time zone DEFAULT NULL::timestamp with time zone, only_orgs bigint[] DEFAULT NULL::bigint[], only_clusters text[] DEFAULT NULL::text[])
  returns TABLE(clusters integer, notifications integer, notified integer, held integer, decisions jsonb, traced jsonb)
  language plpgsql volatile
  set join_collapse_limit=1
  set max_parallel_workers_per_gather=0
  set random_page_cost=1.1
  set search_path=public, ccx, pg_temp;

-- Decides for the next clusters of new_reports after this one, for one target; returns the last of them and, in JSON, those that have issues with the issues to notify. No row: there are no more.
function ccx.decide_pass(target text, after text, batch_size integer DEFAULT 1000)
  returns TABLE(last_cluster text, clusters jsonb)
  language plpgsql volatile
  set join_collapse_limit=1
  set max_parallel_workers_per_gather=0
  set random_page_cost=1.1
  set search_path=public, ccx, pg_temp;

-- Decisions at this time counted by reason, rule and organization (or one of these), for each target and (target null) all together, of the organizations from first_org to last_org (null: without a bound), and of these clusters only.
function ccx.decision_groups(at timestamp with time zone, grouped_by text DEFAULT NULL::text, target text DEFAULT NULL::text, first_org bigint DEFAULT NULL::bigint, last_org bigint DEFAULT NULL::bigint, clusters text[] DEFAULT NULL::text[])
  returns TABLE(grouped_by text, name text, target text, decision text, decisions bigint, clusters bigint, organizations bigint)
  language sql stable parallel safe;

-- Deletes up to batch_size of the rows that old_rows() shows, oldest first, and as many from before an adoption; returns how many. To be called until it returns 0.
function ccx.delete_old_rows(name text, max_age text, batch_size integer)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- How long each of these messages took until its receiver had accepted it: from the arrival of the report, and from the decision; and the trace that it belongs to.
function ccx.delivery_times(ids bigint[])
  returns TABLE(seen_seconds double precision, decided_seconds double precision, traceparent text)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The details of a hit (details_by_hit()) that a report has under a name that its rule had before; null: none.
function ccx.details_before_rename(by_hit jsonb, component text, error_key text)
  returns jsonb
  language sql stable parallel safe
  set search_path=public, ccx, pg_temp;

-- The details of the hits of a stored report as {component: {error key: details}}, for whoever looks up many of them; null when it has no hits.
function ccx.details_by_hit(report text)
  returns TABLE(by_hit jsonb)
  language sql immutable parallel safe;

-- The details of the issues that these messages, all about one cluster, report as gone, as {issue id/occurrence: details}.
function ccx.details_when_gone(messages notification[])
  returns jsonb
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- explain_diff_by_rule, for one target, organization and rule (any spelling) or (null) for all.
function ccx.diff_by_rule(only_target text DEFAULT NULL::text, only_org bigint DEFAULT NULL::bigint, only_rule text DEFAULT NULL::text)
  returns TABLE(target text, component text, error_key text, before text, after text, next_eligible text, decisions integer, clusters integer, organizations integer)
  language sql stable;

-- explain_diff with decision and reasons as one text, and whether cooldown, spacing and damping end later or sooner; for one target, organization and rule (any spelling) or (null) for all.
function ccx.diff_in_words(only_target text DEFAULT NULL::text, only_org bigint DEFAULT NULL::bigint, only_rule text DEFAULT NULL::text)
  returns TABLE(target text, org_id bigint, cluster text, component text, error_key text, before text, after text, next_eligible_at_before timestamp with time zone, next_eligible_at timestamp with time zone, next_eligible text)
  language sql stable;

-- Takes these messages out of the outbox as far as the ledger left them without an issue.
function ccx.drop_empty_messages(ids bigint[])
  returns void
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Numbers of up to batch_size rejected messages whose time to be tried again by the service has come.
function ccx.due_rejected(batch_size integer, at timestamp with time zone DEFAULT now())
  returns bigint[]
  language sql stable parallel safe
  set search_path=public, ccx, pg_temp;

-- How many open issues of this scope are held, and how many released, when one version of a policy takes the place of another, whatever cooldowns and silences say.
function ccx.effect_between(before policy, after policy, scope policy, at timestamp with time zone, OUT held integer, OUT released integer, OUT open_issues integer)
  returns record
  language sql stable
  set search_path=public, ccx, pg_temp;

-- A worker says that it ends: nobody need wait for its next heartbeat.
function ccx.end_heartbeat(pool_id text)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Writes what could not be delivered into reported, as an error; returns of how many clusters something waits.
function ccx.end_pass(target text, OUT failed integer)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Keeps what of a portion does not conform and moves the offset of its partition; says how many messages were rejected, and how many had been consumed before.
function ccx.end_portion(topic text, partition integer, stream text, batch jsonb, first_offset bigint, high_watermark bigint, at timestamp with time zone, has_stored boolean, is_behind boolean DEFAULT false, portion_end bigint DEFAULT NULL::bigint)
  returns TABLE(rejected integer, skipped integer, next_offset bigint)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Ends a storm, released or dropped, for this reason; its clusters are asked again. Raises NTW01, NTW02.
function ccx.end_storm(id bigint, is_released boolean, reason text, at timestamp with time zone)
  returns storm
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Makes sure that new_reports or reported has a partition for this UTC day; true when it was made now, false also when others hold the table (the next call makes it), or for a day of no year from 1 to 9999.
function ccx.ensure_partition(parent text, day date)
  returns boolean
  language plpgsql volatile security definer
  set lock_timeout=250ms
  set search_path=public, ccx, pg_temp;

-- Makes the partitions for today and the next three days (UTC); returns how many were made.
function ccx.ensure_partitions(at timestamp with time zone DEFAULT now())
  returns integer
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Enters issues that are notified into the ledger; returns those that were taken: not one that was notified through the same target within its cooldown.
function ccx.enter_notified(entries notified_issue[])
  returns TABLE(notification_id bigint, issue_id bigint)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The value of a filter for one issue; it lets the issue through when the value is greater than 0; null: it divides by zero. compiled is what compile_filter() returned.
function ccx.evaluate_filter(compiled text[], likelihood bigint, impact bigint, severity bigint, total_risk bigint, likelihood_threshold bigint, impact_threshold bigint, severity_threshold bigint, total_risk_threshold bigint)
  returns bigint
  language plpgsql immutable strict parallel safe
  set search_path=public, ccx, pg_temp;

-- Evaluates the filters of these policies for these contents (two arrays, position by position) and keeps the outcomes in filter_result.
function ccx.evaluate_filters(policy_ids bigint[], content_ids bigint[])
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- A time in UTC with as many decimals as it has, as Go writes it. Null: null.
function ccx.exact_text(at timestamp with time zone)
  returns text
  language sql stable parallel safe;

-- Puts the next clusters that a request concerns (those that reported within a day) into decision_due, unless batch_size wait there already; returns how many.
function ccx.expand_decision_request(batch_size integer, at timestamp with time zone DEFAULT clock_timestamp())
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Gives up messages that were tried, have not got through, and are too old to be tried again; returns how many.
function ccx.expire_notifications(at timestamp with time zone DEFAULT now())
  returns integer
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Records that an attempt failed: waiting, if time may mend it, else dead; null when somebody else has it by now. A failure of null gives it back untried.
function ccx.fail_analysis(id bigint, attempt integer, failure text, error text, at timestamp with time zone DEFAULT now())
  returns text
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Does the filter of this policy let this content through; null: it divides by zero, which counts as no.
function ccx.filter_lets_through(policy policy, content rule_content)
  returns boolean
  language sql immutable parallel safe;

-- The oldest acknowledgement in force at this time of an organization (cluster null), or of one of its clusters, that holds this issue; null: none.
function ccx.first_acknowledgement(org_id bigint, cluster text, rule_name text, error_key text, at timestamp with time zone)
  returns bigint
  language sql stable parallel safe;

-- Until when an issue, at this occurrence, counts as flapping: the end of the window in which it appeared flapping_occurrences times; null or past: it does not.
function ccx.flapping_until(issue_id bigint, occurrence integer, flapping_occurrences smallint, flapping_window interval)
  returns timestamp with time zone
  language sql stable parallel safe;

-- Whether pages show the newest survey of the fleet instead of a count of now: 10,000 clusters reported within a day, and this role sees the rows of every organization.
function ccx.fleet_is_surveyed()
  returns boolean
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Brings issues and ledger in step with new_reports and reported, whoever changed them; returns clusters that were read again, issues that count as notified no more, and issues that count as notified now.
function ccx.follow_tables(target text, OUT reread integer, OUT forgotten integer, OUT imported integer)
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Closes the issues of these clusters and forgets which report was their newest; the next one counts as the first. Returns how many rows of latest_report that were.
function ccx.forget_clusters(clusters text[])
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Takes issues out of the ledger whose row of reported is gone, so that they may be notified again; returns how many.
function ccx.forget_notified(target text, at timestamp with time zone)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Deletes what belongs to this organization, this cluster, or both, wherever it is; with what people made, or without; at most so many rows of each table. Returns how many rows of which table.
function ccx.forget_rows(org_id bigint, cluster text, with_settings boolean, most integer DEFAULT NULL::integer)
  returns TABLE(name text, row_count bigint)
  language plpgsql volatile
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- The query of the rows (ctid) of a place that belong to the organization $1, the cluster $2 (its spellings), or both; with those of archives whose contents are still kept, or without.
function ccx.forgotten_rows(place ccx.cluster_table, has_org boolean, has_cluster boolean, with_contents boolean)
  returns text
  language sql stable;

-- Writes the read errors that were added since the adoption to incumbent.read_errors; returns how many.
function ccx.give_back_read_errors()
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Writes the next batch_size rows of reported to incumbent.reported, unless they are there; no row: there are no more.
function ccx.give_back_reported(after_org bigint, after_cluster text, after_at timestamp with time zone, after_target integer, batch_size integer)
  returns TABLE(last_org bigint, last_cluster text, last_at timestamp with time zone, last_target integer, given integer, left_out integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Writes the next batch_size reports to incumbent.new_reports, unless they are there; no row: there are no more.
function ccx.give_back_reports(after_org bigint, after_cluster text, after_at timestamp with time zone, batch_size integer)
  returns TABLE(last_org bigint, last_cluster text, last_at timestamp with time zone, given integer, left_out integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The time as it is; raises NTK02 for null.
function ccx.given(at timestamp with time zone)
  returns timestamp with time zone
  language plpgsql immutable parallel safe
  set search_path=public, ccx, pg_temp;

-- A time that may be missing, as the aggregator writes it: {Time, Valid}.
function ccx.go_time(at timestamp with time zone)
  returns jsonb
  language sql stable parallel safe;

-- A worker says that it lives. Frees the jobs of workers that have been silent for 90 seconds and returns the ids of their pools.
function ccx.heartbeat(pool_id text, host text, pid integer, roles text[], version text, at timestamp with time zone DEFAULT now())
  returns text[]
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Does a storm hold an occurrence of an issue of this rule, known since known_from and last notified at notified_at, at this time.
function ccx.held_by_storm(target integer, rule_name text, known_from timestamp with time zone, notified_at timestamp with time zone, cooldown interval, at timestamp with time zone)
  returns boolean
  language sql stable parallel safe;

-- Decisions counted by reason, rule or organization, what would be notified first, with the moment that they are of.
function ccx.held_groups(grouped_by text, target text, org_id bigint)
  returns TABLE(name text, decision text, decisions bigint, clusters bigint, organizations bigint, at timestamp with time zone)
  language plpgsql volatile
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- The details of the hits of a report: what the templates of their content see as pydata; one row for each rule and error key.
function ccx.hit_details(report jsonb)
  returns TABLE(component text, error_key text, details jsonb)
  language sql immutable parallel safe;

-- One hit as the public API shows it, with what its content says; times that are not known are missing, since clients in Go do not read an empty text as a time.
function ccx.hit_in_json(component text, error_key text, content rule_content, disabled_since timestamp with time zone, disable_feedback text, user_vote smallint, details jsonb, impacted timestamp with time zone)
  returns jsonb
  language sql stable parallel safe;

-- A hash of the hits of a report, whatever their order and their details.
function ccx.hits_hash(report jsonb)
  returns TABLE(hash bigint)
  language sql immutable parallel safe;

-- Every reason that holds an issue of a cluster, none for notify, given what its policy says, when it was last notified, when its cluster last got a message, what else holds it until when, when it reported, and whether a storm holds it.
function ccx.hold_reasons(at timestamp with time zone, policy_reasons text[], policy policy, cluster text, occurrence integer, is_open boolean, notified_at timestamp with time zone, message_at timestamp with time zone, flapping_until timestamp with time zone, unrendered_until timestamp with time zone, silence_id bigint, acked_by bigint, disabled_by bigint, reported_at timestamp with time zone, in_storm boolean)
  returns TABLE(reasons text[], qualifies boolean, issue_state text, next_eligible_at timestamp with time zone)
  language sql immutable parallel safe;

-- Whether a version that holds for this period (from its lower bound on, its upper one excluded) is in force at this time.
function ccx.in_force(period tstzrange, at timestamp with time zone)
  returns boolean
  language sql immutable parallel safe;

-- Stores one batch of one Kafka partition and moves its offset, at least to portion_end; skips what was consumed before, leaves elsewhere what another cell owns. Raises NTI01: topic anew; NTI02: database behind expected_offset; NTI05: wrong hits_hash.
function ccx.ingest(topic text, partition integer, batch jsonb, high_watermark bigint DEFAULT NULL::bigint, at timestamp with time zone DEFAULT now(), expected_offset bigint DEFAULT NULL::bigint, decide_within interval DEFAULT NULL::interval, portion_end bigint DEFAULT NULL::bigint)
  returns TABLE(stored integer, replaced integer, unchanged integer, rejected integer, skipped integer, next_offset bigint, elsewhere integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Stores one batch of one partition of a topic of workloads and moves its offset; what was consumed before is skipped. Raises NTI01: topic created anew; NTI02: the database is behind expected_offset.
function ccx.ingest_workloads(topic text, partition integer, batch jsonb, high_watermark bigint DEFAULT NULL::bigint, at timestamp with time zone DEFAULT now(), expected_offset bigint DEFAULT NULL::bigint, portion_end bigint DEFAULT NULL::bigint)
  returns TABLE(stored integer, replaced integer, unchanged integer, rejected integer, skipped integer, next_offset bigint, elsewhere integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Whether a rule is one of the vendor's own, which only organizations on a list are shown.
function ccx.is_internal(module text)
  returns boolean
  language sql immutable parallel safe;

-- Whether row-level security shows this role only the rows of the organization in the setting ccx.organization.
function ccx.is_narrowed()
  returns boolean
  language sql stable
  set search_path=public, ccx, pg_temp;

-- True where so many of the rules of an engine took too long on one archive that no rule is to blame: more than one, and more than half.
function ccx.is_overload(late integer, rules integer)
  returns boolean
  language sql immutable
  set search_path=public, ccx, pg_temp;

-- True while ours only decides beside the other service: what it sends it does not enter into reported, and what the other one sends starts no cooldown of ours.
function ccx.is_shadow()
  returns boolean
  language sql stable parallel safe;

-- An issue as a message to this target would name it at this time, whether or not it would be sent: the version of the content and the details that its texts are made from; a null issue: nothing is known about the rule.
function ccx.issue_draft(target text, cluster text, issue_id bigint, at timestamp with time zone)
  returns TABLE(target text, decision text, reasons text[], rule text, org_id bigint, cluster text, resolved boolean, seen_at timestamp with time zone, report_is_kept boolean, issue jsonb)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Keeps the documents in the table files as those of this analysis; null: they were kept before.
function ccx.keep_archive(a analysis, at timestamp with time zone)
  returns bigint
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The hits of those clusters that do not have just the issues that are open, or sent several reports; null: of none.
function ccx.keep_changed(hits ccx.seen_hit[])
  returns ccx.seen_hit[]
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- Copies into latest_report what is the newest report of its cluster among those of this period, which are about to go; returns how many.
function ccx.keep_newest_reports(from_time timestamp with time zone, until_time timestamp with time zone)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Makes these settings those of the policy of a target, unless they are so already; true: it was changed.
function ccx.keep_policy(target text, wanted jsonb)
  returns boolean
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Archives whose contents are kept, of an organization, a cluster, received since; null: any. The newest first, at most so many.
function ccx.kept_archives(org_id bigint, cluster text, since timestamp with time zone, most integer)
  returns TABLE(request_id text, org_id_of bigint, cluster_of text, size bigint, store text, stored_at timestamp with time zone, kept_until timestamp with time zone, same_as text, duplicates bigint, sha256 text)
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- The newest report of a cluster for each organization that it has belonged to; the present one first.
function ccx.known_cluster(cluster text)
  returns TABLE(org_id bigint, cluster text, updated_at timestamp with time zone, received_at timestamp with time zone, moved_to bigint, left_at timestamp with time zone)
  language sql stable;

-- Which of these objects are contents of archives that are kept; the others may go.
function ccx.known_objects(keys text[])
  returns text[]
  language sql stable
  set search_path=public, ccx, pg_temp;

-- When the last message about a cluster to this target was decided before this time, by what was known then; null: never.
function ccx.last_message_at(org_id bigint, cluster text, target integer, at timestamp with time zone)
  returns timestamp with time zone
  language sql stable parallel safe;

-- When an issue was last notified through this target before this time, by what was known then; null: never.
function ccx.last_notified_at(issue_id bigint, target integer, at timestamp with time zone)
  returns timestamp with time zone
  language sql stable parallel safe;

-- Leaves out of a message that is sent again the issues that another message names by now; returns how many.
function ccx.leave_out_notified(notification_id bigint)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Lets those who acknowledge rules for an organization take turns, until the transaction ends: what one asks after it sees what the other wrote.
function ccx.lock_acknowledgements(org_id bigint)
  returns void
  language sql volatile;

-- Lets changes to the policies of a target take turns, until the transaction ends; decisions do not wait for it.
function ccx.lock_policies(target_id integer)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Lets only one transaction at a time bring back what was given up (redrive, replay): two at once would both find that nobody has done it.
function ccx.lock_replays()
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- The longest time that any policy, in force at this time or planned, looks back: cooldown, spacing, window of flapping.
function ccx.longest_cooldown(at timestamp with time zone DEFAULT now())
  returns interval
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Lets these clusters (three arrays, position by position) wait for a decision, because of a new report or not, until due_at at most for the rest of the partition backlog_of; returns how many wait by that.
function ccx.mark_due(org_ids bigint[], clusters text[], by_report boolean[], due_at timestamp with time zone DEFAULT now(), backlog_of text DEFAULT NULL::text)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Rejected messages, stored by a retry or not, that match all that is given; ids and positions (TOPIC/PARTITION/OFFSET) name messages.
function ccx.matching_rejected(reason text DEFAULT NULL::text, topic text DEFAULT NULL::text, org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, until timestamp with time zone DEFAULT NULL::timestamp with time zone, ids bigint[] DEFAULT NULL::bigint[], positions text[] DEFAULT NULL::text[])
  returns SETOF rejected_message
  language sql stable parallel safe;

-- The oldest silence in force at this time that holds an issue with these properties (tags: of the rule's content); null: none.
function ccx.matching_silence(org_id bigint, cluster text, rule_name text, error_key text, tags text[], at timestamp with time zone)
  returns bigint
  language sql stable parallel safe
  set enable_seqscan=off
  set search_path=public, ccx, pg_temp;

-- Whether there is a role ccx_results with rights in this database that the caller may take for a request, so that row-level security holds.
function ccx.may_become_results()
  returns boolean
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Sets ccx.rewrite_history for the statements that follow, and returns what it was, to be set again after them.
function ccx.may_rewrite(wanted text)
  returns text
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- For each cluster that has an issue of both rules: the occurrences of both, and what they become when the two are one issue, that of the first.
function ccx.merged_occurrences(old_rule_id integer, new_rule_id integer)
  returns SETOF ccx.moved_occurrence
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The issues that a message names, with what its target calls their severity and the details of their hits (from details_by_hit() or, of resolved ones, details_when_gone()).
function ccx.message_body(n notification, details jsonb)
  returns TABLE(issues jsonb)
  language sql stable parallel safe;

-- Lets what was notified of these occurrences of issues (arrays, position by position) be of other ones.
function ccx.move_notified(issue_ids bigint[], occurrences integer[], are_last boolean[], new_issue_ids bigint[], new_occurrences integer[])
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Lets what could not be rendered of these occurrences hold the issues that they become.
function ccx.move_unrendered(moved ccx.moved_occurrence[])
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The error key that a person means: the one given, or the one behind the | of the rule; null: none. Raises NTC04 where both are given and differ.
function ccx.named_key(rule text, error_key text)
  returns text
  language plpgsql immutable parallel safe
  set search_path=public, ccx, pg_temp;

-- A hash of which rules have been renamed, 0 where none was: what a report means depends on it.
function ccx.names_hash()
  returns bigint
  language sql stable parallel safe;

-- The candidate that has most pairs of letters in common with this name; null: none has half of them.
function ccx.nearest_name(name text, candidates text[])
  returns text
  language sql immutable parallel safe
  set search_path=public, ccx, pg_temp;

-- An id for a message (notification.message_id): a UUID of version 4 that begins with the time, in milliseconds.
function ccx.new_message_id()
  returns uuid
  language sql volatile parallel safe;

-- The number of the newest rejected message; 0: there is none.
function ccx.newest_rejected()
  returns bigint
  language sql stable parallel safe;

-- The newest report of a cluster of this organization, wherever it is kept by now; null: there is none, or somebody removed its day by hand.
function ccx.newest_report(org_id bigint, cluster text)
  returns text
  language sql stable parallel safe;

-- The time of a cluster's newest report that had arrived by then and could be read; null: none is left of then.
function ccx.newest_report_at(org_id bigint, cluster text, at timestamp with time zone)
  returns timestamp with time zone
  language sql stable parallel safe;

-- The newest survey of this kind that is done; null: there is none.
function ccx.newest_survey(kind text)
  returns bigint
  language sql stable
  set search_path=public, ccx, pg_temp;

-- When a message of this target may next be claimed: the earliest that waits, but not before its circuit lets one through; null: none waits.
function ccx.next_delivery_at(target_id integer)
  returns timestamp with time zone
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The next rejected messages that a retry tries, in the order of their numbers.
function ccx.next_rejected(after_id bigint, last_id bigint, batch_size integer, max_bytes bigint, reason text DEFAULT NULL::text, topic text DEFAULT NULL::text, org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, until timestamp with time zone DEFAULT NULL::timestamp with time zone, ids bigint[] DEFAULT NULL::bigint[], positions text[] DEFAULT NULL::text[])
  returns TABLE(id bigint, stream text, kafka_offset bigint, value bytea)
  language sql stable parallel safe;

-- Notes that a load of content was refused, as it would change too much.
function ccx.note_held_load(reason text)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Adds the issues that only these past reports had, as gone since the newest report of their cluster; what is known already is left alone.
function ccx.note_past_issues(hits ccx.seen_hit[])
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Says where a request is (received, processing, processed, success, error): for upload_status, and for the topic of payload statuses. Organization and account are needed only for archives of another ingress.
function ccx.note_payload_status(request_id text, service text, status text, status_msg text, org_id bigint DEFAULT NULL::bigint, account_number text DEFAULT ''::text, at timestamp with time zone DEFAULT clock_timestamp())
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Notes that a source of the registry was asked, why it could not be loaded, and since when; null: it could, and is as it was. asked_every: how often whoever asks means to do so.
function ccx.note_registry(source text, failure text, asked_every interval DEFAULT NULL::interval)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Records that the contents of these archives are gone from the store; returns how many are by that. An archive that is to be forgotten goes with its content.
function ccx.note_removed(archive_ids bigint[], at timestamp with time zone DEFAULT now())
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Notes that reports which have the first component mean the second.
function ccx.note_rename(component text, new_component text)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Says in a NOTICE which of these names nobody knows: organization, cluster, rule (any spelling), error key, tag; null: not asked.
function ccx.notice_unknown_names(org_id bigint, cluster text, rule text, error_key text, tag text)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Whether another message, sent or on its way, names the same: then this entry of the ledger cannot count as notified, too.
function ccx.notified_elsewhere(i notified_issue)
  returns boolean
  language sql stable parallel safe;

-- How many clusters were notified in the hour before this time, by target and rule (null: all rules).
function ccx.notified_lately(at timestamp with time zone)
  returns TABLE(target_id integer, rule_name text, clusters integer)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The age as an interval; raises NTM01 where it is none, or not positive.
function ccx.old_age(max_age text)
  returns interval
  language plpgsql immutable parallel safe
  set search_path=public, ccx, pg_temp;

-- The rows of new_reports, reported or read_errors whose report is older than max_age, oldest first, with those from before an adoption.
function ccx.old_rows(name text, max_age text)
  returns TABLE(org_id bigint, account_number bigint, cluster text, updated_at timestamp with time zone, age_days integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Fills the temporary table files, which rules read: documents where a .json file is JSON, else texts.
function ccx.open_files(paths text[], bodies text[])
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The sessions and prepared transactions of this database, of every user, without the texts of their statements: what the view sessions shows.
function ccx.open_sessions()
  returns TABLE(pid integer, user_name text, application_name text, client inet, backend_type text, state text, state_since timestamp with time zone, transaction_since timestamp with time zone, statement_since timestamp with time zone, wait_event_type text, wait_event text, prepared_as text)
  language sql stable security definer
  set search_path=public, ccx, pg_temp;

-- The clusters of an organization: those that report, and those that the registry has, without those whose subscription is over.
function ccx.org_clusters(org_id bigint)
  returns TABLE(cluster text, display_name text, managed boolean, status text, updated_at timestamp with time zone, received_at timestamp with time zone, cluster_version text)
  language sql stable parallel safe;

-- The open issues of an organization with what the API asks of each: content in force (null: none), and since when its rule is acknowledged by the organization, or disabled for the cluster.
function ccx.org_issues(org_id bigint)
  returns TABLE(cluster text, rule_id integer, component text, error_key text, module text, opened_at timestamp with time zone, content_id bigint, total_risk smallint, tags text[], managed boolean, acked_since timestamp with time zone, disabled_since timestamp with time zone)
  language sql stable parallel safe;

-- The namespaces with recommendations of an organization, in the clusters that are still its own.
function ccx.org_workloads(org_id bigint)
  returns TABLE(cluster text, namespace_id text, name text, reported_at timestamp with time zone, updated_at timestamp with time zone, recommendations integer, objects integer, hits jsonb)
  language sql stable parallel safe;

-- Where the archive of an analysis is; no row: another ingress has it, or its content is gone.
function ccx.own_archive(analysis_id bigint)
  returns TABLE(store text, object_key text)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- What of a portion is for this cell, or was consumed before, how many messages are for others, and the offset after all of them.
function ccx.own_share(batch jsonb, partition integer, first_offset bigint, portion_end bigint)
  returns TABLE(own jsonb, elsewhere integer, end_offset bigint)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Why a day of new_reports or reported must not be dropped yet; null: nothing holds it.
function ccx.partition_held_by(parent text, day date, at timestamp with time zone DEFAULT now())
  returns text
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The query of the rows of a table that retention deletes one by one; $1 is the clock, $2 the horizon; null for a table of which no rows are deleted.
function ccx.past_rows(name text)
  returns text
  language sql immutable parallel safe;

-- Who acts: the database user; behind the console the name of the person, with the database user in brackets.
function ccx.person()
  returns text
  language sql stable parallel safe;

-- The policies in force of all, and those that this organization, this rule or both have of their own.
function ccx.policies_about(org_id text, rule text)
  returns SETOF policies
  language sql stable
  set search_path=public, ccx, pg_temp;

-- How many open issues this version of a policy holds that were to be notified before it, how many it releases, and how many open issues there are; whatever cooldowns and silences say.
function ccx.policy_effect(id bigint, OUT held integer, OUT released integer, OUT open_issues integer)
  returns record
  language sql stable
  set search_path=public, ccx, pg_temp;

-- How many open issues the end of this version of a policy holds, how many it releases, and how many open issues there are; whatever cooldowns and silences say.
function ccx.policy_end_effect(id bigint, OUT held integer, OUT released integer, OUT open_issues integer)
  returns record
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The reasons for which this policy holds every issue of a rule with this content, whatever the cluster. target_enabled: of the target-wide policy; filter_passes: what the filter said of the content, null: it has not been asked yet.
function ccx.policy_reasons(policy policy, content rule_content, target_enabled boolean, filter_passes boolean)
  returns text[]
  language sql immutable parallel safe;

-- The version in force of exactly this policy, which nobody else changes until the transaction ends; null: none.
function ccx.policy_to_change(target text, org_id bigint, rule text)
  returns bigint
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Creates the role ccx_rules and the schema rules where they are missing; raises NTY01 when the user may not.
function ccx.prepare_rules()
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The bare name that a rule has now, by one that it has or had (renamed_rule).
function ccx.present_name(rule_name text)
  returns text
  language sql stable parallel safe
  set search_path=public, ccx, pg_temp;

-- Runs one rule by itself, to find the one that takes too long; nothing is stored.
function ccx.probe_rule(name text, paths text[], bodies text[], OUT hits jsonb, OUT reason text, OUT detail text)
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Puts a waiting cluster aside whose decision fails for this reason, until its next try; returns how many tries have failed, 0 when it does not wait any more.
function ccx.put_aside(org_id bigint, cluster text, reason text, at timestamp with time zone DEFAULT now())
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Writes these rows to incumbent.reported, unless they are there; returns how many do not fit.
function ccx.put_back_reported(given reported[])
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Writes these reports to incumbent.new_reports, unless they are there; returns how many do not fit.
function ccx.put_back_reports(given new_reports[])
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Adds a piece to an object in the store of this database.
function ccx.put_chunk(object_key text, nth integer, bytes bytea)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Gives up the message to this target that is due first, since the database cannot say what is in it, for this reason; returns how many that were. It can be redriven.
function ccx.put_due_aside(target text, lease interval, reason text, at timestamp with time zone DEFAULT now())
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Gives up a message that is out but cannot be settled, for this reason, so that it does not go out again; returns whether it was still the caller's. It can be redriven.
function ccx.put_outcome_aside(id bigint, attempt integer, reason text, at timestamp with time zone DEFAULT now())
  returns boolean
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Puts these issues into the outbox, as few messages as their policies allow, and enters them into the ledger; returns how many messages and issues that are, and the traces that messages belong to.
function ccx.queue_notifications(issues ccx.issue_to_notify[], at timestamp with time zone)
  returns TABLE(notifications integer, notified integer, traced jsonb)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- What an announcement of platform.upload.announce says, or why it does not conform, from a fixed vocabulary.
function ccx.read_announcement(value text, at timestamp with time zone, OUT reason text, OUT detail text, OUT request_id text, OUT org_id bigint, OUT account_number bigint, OUT cluster text, OUT url text, OUT announced_at timestamp with time zone, OUT last_checked text, OUT gathering_time text)
  returns record
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- Takes lines of a source into the temporary table registry_line, for load_registry() in the same transaction; problems: what is wrong with a line already, or null.
function ccx.read_registry(lines integer[], clusters text[], org_ids text[], display_names text[], managed text[], statuses text[], problems text[])
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- A stored report as JSON; null where it is not valid JSON, as other programs may write it.
function ccx.readable_report(report text)
  returns jsonb
  language plpgsql immutable parallel safe
  set search_path=public, ccx, pg_temp;

-- Records what a person did in the console, in the same transaction.
function ccx.record_act(act text, details jsonb DEFAULT '{}'::jsonb)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Counts in doubtful_text which values the texts of messages that ended lacked.
function ccx.record_doubtful(settled ccx.settled_notification[], at timestamp with time zone)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Writes or renews the rows of reported for the decisions that these notifications (all ended) belong to.
function ccx.record_reported(notification_ids bigint[])
  returns void
  language sql volatile
  set enable_hashjoin=off
  set enable_mergejoin=off
  set enable_seqscan=off
  set search_path=public, ccx, pg_temp;

-- Writes to render_failure which issues were left out of messages that ended, since their texts could not be rendered, and which do not fit into a message alone.
function ccx.record_unrendered(settled ccx.settled_notification[], at timestamp with time zone)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- How long after its first try a message may be redriven, and tried then: safely less than the day for which receivers remember its id.
function ccx.redrive_horizon()
  returns interval
  language sql immutable parallel safe;

-- Why a message cannot be redriven at this time; null: it can.
function ccx.redrive_refusal(n notification, at timestamp with time zone)
  returns text
  language sql stable parallel safe;

-- redrive(), counted by target and refusal (null: they were redriven).
function ccx.redrive_summary(notification_ids bigint[])
  returns TABLE(target text, refusal text, messages integer, issues integer, left_out integer)
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Looks at the owner of a row that somebody writes to one of the aggregator's tables: returns the cluster in lower case, or raises NTV01.
function ccx.refuse_foreign_row(table_name text, org_id bigint, cluster text)
  returns text
  language plpgsql immutable
  set search_path=public, ccx, pg_temp;

-- Cluster and organization of a line for the registry of clusters (null: it has none), and what is wrong with the line; null: nothing.
function ccx.registry_fields(cluster text, org_id text, display_name text, managed text, status text)
  returns TABLE(cluster_id text, organization bigint, problem text)
  language sql immutable parallel safe;

-- How many messages a retry would try, by reason, most first.
function ccx.rejected_to_retry(reason text DEFAULT NULL::text, topic text DEFAULT NULL::text, org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, until timestamp with time zone DEFAULT NULL::timestamp with time zone, ids bigint[] DEFAULT NULL::bigint[], positions text[] DEFAULT NULL::text[])
  returns TABLE(reason text, messages integer)
  language sql stable parallel safe;

-- Makes up to batch_size clusters due at once whose decision waited for the rest of a partition that has been caught up with; returns how many.
function ccx.release_caught_up(batch_size integer)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- What somebody has released a storm of within a day, by target and rule (null: all rules): the brake does not count it.
function ccx.released_storms(at timestamp with time zone)
  returns TABLE(target_id integer, rule_name text)
  language sql stable;

-- Removes an object from the store of this database; one that is gone already is no error.
function ccx.remove_chunks(object_key text)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Adds to the content of a rule, for the times without any, that of the name that it had before; returns how many versions.
function ccx.rename_content(old_name text, new_name text, module text)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Lets the issues of one rule be those of another (null: that no report has named yet), with their history; where a cluster has both, they become one (moved: merged_occurrences()). Returns how many.
function ccx.rename_issues(old_rule_id integer, new_component text, new_rule_id integer, moved ccx.moved_occurrence[])
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Lets the policies of a rule go on under its new name, where that has none of its own; returns how many versions.
function ccx.rename_policies(old_name text, new_name text)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Lets the silences and acknowledgements of a rule go on under its new name; returns how many.
function ccx.rename_silenced(old_name text, new_name text, OUT silences integer, OUT acknowledgements integer)
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- How reports will spell a component once its rule has this name: a.b.x.report becomes a.b.y.report for y, c.y.report for c.y.
function ccx.renamed_component(component text, rule text)
  returns text
  language sql immutable parallel safe
  set search_path=public, ccx, pg_temp;

-- Content as load_content() takes it, in which a rule that only its old name names has its new one.
function ccx.renamed_content(content jsonb)
  returns jsonb
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The same hits, each under the name that its rule has now (renamed_rule).
function ccx.renamed_hits(hits ccx.seen_hit[])
  returns ccx.seen_hit[]
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- Lets the periods of these notifications (four arrays, position by position) follow the cooldowns that are in force now.
function ccx.renew_cooldowns(issue_ids bigint[], target_ids integer[], notified_ats timestamp with time zone[], cooldowns interval[])
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- On a standby: how many seconds old its answers are at most (by the clocks of both servers); infinity while it has replayed nothing. Null on a primary.
function ccx.replica_age()
  returns double precision
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- The rule hits of a report: one row for each different (component, error key).
function ccx.report_hits(report jsonb)
  returns TABLE(component text, error_key text)
  language sql immutable parallel safe;

-- Asks for a new decision, from this time on, about the clusters with issues of these rules, this organization, this cluster, or held by this silence; null: any.
function ccx.request_decisions(cause text, rule_names text[] DEFAULT NULL::text[], org_id bigint DEFAULT NULL::bigint, cluster text DEFAULT NULL::text, silence_id bigint DEFAULT NULL::bigint, at timestamp with time zone DEFAULT now())
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Reads the newest report of clusters again whose newest known one was deleted while others are there; returns of how many.
function ccx.reread_reports()
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Is a target that was notified of this occurrence of an issue (at notified_at), which is over, still to hear that: it did not come back, and nobody said so yet.
function ccx.resolution_is_due(issue_id bigint, occurrence integer, target integer, notified_at timestamp with time zone, at timestamp with time zone)
  returns boolean
  language sql stable parallel safe;

-- The message of ccx.ocp.results for an analysis and its report {reports, info, pass, plugin_sets, version}.
function ccx.result_message(a analysis, report json, started timestamp with time zone, finished timestamp with time zone)
  returns text
  language sql stable
  set search_path=public, ccx, pg_temp;

-- One acknowledgement of an organization. Null: it has not acknowledged that rule.
function ccx.results_ack(org_id bigint, module text, error_key text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- Acknowledges a rule for an organization, or gives the acknowledgement another justification; says which, and how it is now.
function ccx.results_ack_rule(org_id bigint, user_id text, module text, error_key text, justification text)
  returns TABLE(created boolean, body text)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The rules that an organization has acknowledged.
function ccx.results_acks(org_id bigint)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- Gives an acknowledgement another justification. Null: there is none.
function ccx.results_change_ack(org_id bigint, module text, error_key text, justification text)
  returns text
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Name and state of a cluster. Null: the organization has no such cluster.
function ccx.results_cluster(org_id bigint, cluster text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The clusters of an organization with the number of their hits by total risk; in the order of their ids, those after one, so many at most.
function ccx.results_clusters(org_id bigint, with_internal boolean DEFAULT false, after text DEFAULT NULL::text, most integer DEFAULT NULL::integer)
  returns text
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- Everything that rules say, by rule, or what one rule says (null: nothing is known about it); version 1 has the names of impacts, version 2 their numbers.
function ccx.results_content(version integer DEFAULT 2, with_internal boolean DEFAULT false, module text DEFAULT NULL::text)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- Notes why a user switched a rule off for a cluster. Null: no such cluster, or (unless any_rule) nothing is known about the rule.
function ccx.results_disable_feedback(org_id bigint, user_id text, cluster text, module text, error_key text, message text, any_rule boolean DEFAULT false)
  returns text
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Takes an acknowledgement back, however it is spelled; an empty text. Null: there was none.
function ccx.results_end_ack(org_id bigint, module text, error_key text)
  returns text
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The groups that rules are shown in.
function ccx.results_groups()
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- One hit of the newest report of a cluster. Null: it has no such hit, nothing is known about it, or it is not for managed clusters and only such were asked for.
function ccx.results_hit(org_id bigint, user_id text, cluster text, module text, error_key text, osd boolean DEFAULT false)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The clusters of an organization that have reported.
function ccx.results_org_clusters(org_id bigint)
  returns text
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- How many clusters of an organization (or of these of them) are hit, and how many hits there are by total risk and by tag.
function ccx.results_overview(org_id bigint, clusters text[] DEFAULT NULL::text[], with_internal boolean DEFAULT false)
  returns text
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- Notes how an organization rates a rule; returns that.
function ccx.results_rate(org_id bigint, module text, error_key text, rating integer)
  returns text
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The newest report of a cluster, as version 1 or 2 of the public API shows it. osd: who sees only rules for managed clusters: managed (those that are), always, or never. Null: no such cluster.
function ccx.results_report(org_id bigint, user_id text, cluster text, version integer DEFAULT 2, with_disabled boolean DEFAULT false, osd text DEFAULT 'managed'::text, with_internal boolean DEFAULT false)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- How many hits the newest report of a cluster has (-1: none), when it was made and when it was stored. Null: no such cluster.
function ccx.results_report_info(org_id bigint, cluster text, with_internal boolean DEFAULT false)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The newest reports of several clusters as they are stored, and which of the clusters this organization does not have.
function ccx.results_reports(org_id bigint, clusters text[], with_internal boolean DEFAULT false)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- What one upload of the last day hit, also when it is not the newest. Null: nothing is known of it.
function ccx.results_request_report(org_id bigint, cluster text, request_id text, with_internal boolean DEFAULT false, at timestamp with time zone DEFAULT now())
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- What became of an upload of the last day: received, processed, or failed when it or its message was rejected. Null: nothing is known of it.
function ccx.results_request_status(org_id bigint, cluster text, request_id text, at timestamp with time zone DEFAULT now())
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The uploads of a cluster of the last day, newest first, or what is known of these. Null: none of the last day is known.
function ccx.results_requests(org_id bigint, cluster text, request_ids text[] DEFAULT NULL::text[], at timestamp with time zone DEFAULT now())
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- What a rule says, how the organization rated it and whether it acknowledged it, and its groups. Null: it has no content.
function ccx.results_rule(org_id bigint, module text, error_key text, content_only boolean DEFAULT false)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The clusters of an organization that a rule hits, and those for which it is switched off, newest first; once it is acknowledged, these are all. Null: it has no content.
function ccx.results_rule_clusters(org_id bigint, module text, error_key text)
  returns text
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- The modules of all rules that have content.
function ccx.results_rule_ids(with_internal boolean DEFAULT false)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- Rules with content: how many clusters of an organization each hits, and whether it is acknowledged. impacting: only those that hit some (true) or none (false).
function ccx.results_rules(org_id bigint, impacting boolean DEFAULT NULL::boolean, with_internal boolean DEFAULT false)
  returns text
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- Switches a rule off for one cluster, or on again. Null: no such cluster, or (unless any_rule) nothing is known about the rule.
function ccx.results_toggle(org_id bigint, cluster text, module text, error_key text, is_disabled boolean, any_rule boolean DEFAULT false)
  returns text
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- For whom a bearer token with this SHA-256 speaks; no row: it does not count (any more).
function ccx.results_token(token_hash bytea, at timestamp with time zone DEFAULT now())
  returns TABLE(org_id text, user_id text)
  language sql stable security definer
  set search_path=public, ccx, pg_temp;

-- Notes what a user thinks of an issue: 1 like, -1 dislike, 0 neither, with a text. Null: no such cluster, or (unless any_rule) nothing is known about the rule.
function ccx.results_vote(org_id bigint, user_id text, cluster text, module text, error_key text, vote integer, message text DEFAULT ''::text, any_rule boolean DEFAULT false)
  returns text
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- One namespace of a cluster with its recommendations: what their content says, and the objects. Those without content are counted only. Null: there are none about it, or no such cluster.
function ccx.results_workload(org_id bigint, cluster text, namespace_id text, with_internal boolean DEFAULT false)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The namespaces of an organization that there are recommendations about, counted, in the order of clusters.
function ccx.results_workloads(org_id bigint, with_internal boolean DEFAULT false)
  returns text
  language plpgsql stable
  set search_path=public, ccx, pg_temp;

-- The beginning of the oldest day (UTC) that a table keeps: what retention says, but never less than decisions look back.
function ccx.retention_horizon(parent text, at timestamp with time zone DEFAULT now())
  returns timestamp with time zone
  language sql stable
  set search_path=public, ccx, pg_temp;

-- How many days of this table retention would drop now, and how many rows it would delete; one row.
function ccx.retention_past(parent text)
  returns TABLE(days integer, rows integer)
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Forgets a hundred of the clusters at most that stopped reporting before the horizon, but for what people made about them; returns how many.
function ccx.retire_clusters(at timestamp with time zone, horizon timestamp with time zone)
  returns bigint
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- How long to wait after this many failed attempts, with jitter.
function ccx.retry_delay(attempts integer)
  returns interval
  language sql volatile parallel safe;

-- How long after its first try a message may be tried again.
function ccx.retry_horizon()
  returns interval
  language sql immutable parallel safe;

-- Stores rejected messages that conform now as if they had just arrived, and renews the reason of those that do not; what has been stored already is left alone.
function ccx.retry_rejected(batch jsonb, at timestamp with time zone DEFAULT now())
  returns TABLE(stored integer, replaced integer, unchanged integer, rejected integer, done_already integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- When a message is given up if nothing gets through until then; null: it was not tried yet.
function ccx.retry_until(n notification)
  returns timestamp with time zone
  language sql stable parallel safe;

-- Whether something is known about a rule (any spelling with its full module) and error key.
function ccx.rule_has_content(module text, error_key text)
  returns boolean
  language sql stable parallel safe;

-- How the public API names a rule and one of its error keys: module|KEY, without .report.
function ccx.rule_id_of(module text, error_key text)
  returns text
  language sql immutable parallel safe;

-- The full module of a rule, from the way a report spells it (a.b.x.report): what its content is found by.
function ccx.rule_module(spelling text)
  returns text
  language sql immutable parallel safe;

-- The bare name of a rule, from any of its spellings (x.report, a.b.x, x, x|KEY). Rule content and disabled rules are matched by it.
function ccx.rule_name(spelling text)
  returns text
  language sql immutable strict parallel safe;

-- The SQL rules that run, those that are suspended left out.
function ccx.rule_names()
  returns TABLE(name text)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- What a spelling of a rule says: the module as it is spelled, the bare name, and the error key behind a |; null: none. One row.
function ccx.rule_ref(spelling text)
  returns TABLE(module text, rule_name text, error_key text)
  language sql immutable parallel safe;

-- A text that a rule has for all its error keys, from rule_content.rule_texts and the text of one error key; empty: it has none.
function ccx.rule_text_of(texts jsonb, name text, of_key text)
  returns text
  language sql immutable parallel safe;

-- What a rule says, and said before: each version of its content, the newest first.
function ccx.rule_texts(rule text)
  returns TABLE(rule_name text, error_key text, since timestamp with time zone, until timestamp with time zone, total_risk smallint, likelihood smallint, impact smallint, status text, tags text[], description text, reason text, resolution text)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- How many SQL rules run, which files they read, and a text that changes when any of that does.
function ccx.rules_in_force(OUT version text, OUT rules integer, OUT reads text[])
  returns record
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Runs one rule on the table files: its hits as [{key, details}], or why it failed; leaves nothing behind.
function ccx.run_rule(name text, OUT hits jsonb, OUT reason text, OUT detail text)
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Runs every rule that is not suspended, but those left out, on the table files.
function ccx.run_rules(leave_out text[] DEFAULT '{}'::text[])
  returns TABLE(rule text, component text, tags text[], links jsonb, hits jsonb, reason text, detail text)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The version of the notification writer's schema that migration_info names; null: it has no row, or several.
function ccx.schema_version()
  returns integer
  language sql stable
  set search_path=public, ccx, pg_temp;

-- A time as the results API writes it: UTC, whole seconds, Z. Null: null.
function ccx.seconds_text(at timestamp with time zone)
  returns text
  language sql stable parallel safe;

-- Notes what others sent before our triggers were there in reported_elsewhere; returns how many rows.
function ccx.see_reported()
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Shows those of the next batch_size reports to the triggers that they have not seen: issues follow. No row: there are no more reports.
function ccx.see_reports(after_org bigint, after_cluster text, after_at timestamp with time zone, batch_size integer)
  returns TABLE(last_org bigint, last_cluster text, last_at timestamp with time zone, seen integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Seconds from the arrival of a report to its notification, of the newest 2000 messages sent in the last day.
function ccx.seen_to_notified(at timestamp with time zone DEFAULT now())
  returns TABLE(messages bigint, p50 double precision, p99 double precision)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Notes this version (0 to 8, or latest) in migration_info, so that it has one row; no table changes and nothing is lost. Raises NTM03 for anything else.
function ccx.set_schema_version(version text, OUT before integer, OUT after integer)
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Notes what messages (null: none) say about the receiver of a target: that it lives, is down, or asks for time, and until when. Returns opened or closed when that changed its circuit.
function ccx.settle_circuit(target_id integer, alive bigint[], failed bigint[], limited bigint[], limited_until timestamp with time zone, failure text, error text, at timestamp with time zone)
  returns text
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Records that rejected messages are on the dead-letter topic or, with an error, that they cannot go there.
function ccx.settle_dead_letters(ids bigint[], error text DEFAULT NULL::text, at timestamp with time zone DEFAULT now())
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Records how deliveries ended (an array of outcomes; their form stands in the file) and which issues could not be rendered. Returns how many are sent, to be retried, and dead, and whether that opened or closed the circuit.
function ccx.settle_notifications(outcomes jsonb, at timestamp with time zone DEFAULT NULL::timestamp with time zone)
  returns TABLE(sent integer, retried integer, dead integer, circuit text)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Notes in latest_report to which organization each of these clusters belongs; returns the hits with a report without hits, as the last one, for each organization that lost one.
function ccx.settle_owners(hits ccx.seen_hit[], clusters text[])
  returns ccx.seen_hit[]
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Records which results are on their topic, and which the broker did not take.
function ccx.settle_results(results jsonb, topic text, at timestamp with time zone DEFAULT clock_timestamp())
  returns TABLE(published integer, retried integer, dead integer)
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Records how the sending of claimed messages ended: [{id, attempt, sent, permanent, tried, failure, error, partition, offset}]; says how many are sent, tried again, and dead.
function ccx.settle_upload_messages(outcomes jsonb, at timestamp with time zone DEFAULT clock_timestamp())
  returns TABLE(sent integer, retried integer, dead integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- A stored report as it is, or without the hits of internal rules; null: a report without hits.
function ccx.shown_report(report text, with_internal boolean)
  returns json
  language sql immutable parallel safe;

-- The namespaces of an organization, or one of them, as the public API shows them: cluster, namespace, metadata; without clusters whose subscription is over.
function ccx.shown_workloads(org_id bigint, with_internal boolean, only_cluster text DEFAULT NULL::text, only_namespace text DEFAULT NULL::text)
  returns TABLE(cluster text, namespace_id text, shown jsonb)
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- How many open issues match this silence.
function ccx.silence_holds(id bigint, at timestamp with time zone DEFAULT now())
  returns integer
  language sql stable
  set search_path=public, ccx, pg_temp;

-- When a silence really holds: its period, but not before it was created and not after it was ended.
function ccx.silence_in_force(period tstzrange, created_at timestamp with time zone, ended_at timestamp with time zone)
  returns tstzrange
  language sql immutable parallel safe;

-- Does this silence hold an issue with these properties (tags: of the rule's content); what it does not name matches anything.
function ccx.silence_matches(silence silence, org_id bigint, cluster text, rule_name text, error_key text, tags text[])
  returns boolean
  language sql immutable parallel safe;

-- What an issue must have one of to be held by a silence that is in force at some time of this range: one row; others: there are silences that name none of the three.
function ccx.silence_scopes(during tstzrange)
  returns TABLE(clusters text[], organizations bigint[], rules text[], others boolean)
  language sql stable parallel safe
  set search_path=public, ccx, pg_temp;

-- The open issues that a silence holds.
function ccx.silenced_issues(silence silence, at timestamp with time zone)
  returns TABLE(org_id bigint, cluster text, component text, error_key text, first_seen timestamp with time zone)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Moves the second half of the issues of each message that is too large, and has several, to a message of its own, which is due at once.
function ccx.split_too_large(settled ccx.settled_notification[], at timestamp with time zone)
  returns void
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Stores the reports of a batch (what has a reason, or comes before from_offset, is passed over); says how many were new, had other content before, or were there already. Raises 22P02 (no JSON), NTI05 (wrong hash).
function ccx.store_reports(batch jsonb, from_offset bigint, at timestamp with time zone)
  returns TABLE(stored integer, replaced integer, unchanged integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Stores the workloads of a batch (what has a reason, or comes before from_offset, is passed over); says how many were newer than what was known, had other content, or changed nothing. Raises 22P02 when one is not JSON.
function ccx.store_workloads(batch jsonb, from_offset bigint, at timestamp with time zone)
  returns TABLE(stored integer, replaced integer, unchanged integer)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Objects in the store of this database whose keys begin with prefix and come after another, in their order.
function ccx.stored_objects(prefix text, after text, most integer)
  returns TABLE(key text, stored_at timestamp with time zone)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- How many clusters each target may be notified of within an hour, of one rule and in all; targets without a brake have no row.
function ccx.storm_limits(at timestamp with time zone)
  returns TABLE(target_id integer, rule_limit integer, target_limit integer)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- What an issue must have one of to be held by a storm at this time, going on or dropped: one row.
function ccx.storm_scopes(at timestamp with time zone)
  returns TABLE(targets integer[], rules text[])
  language sql stable parallel safe
  set search_path=public, ccx, pg_temp;

-- Notes for each notification of these issues to these targets (two arrays, position by position) when it was notified again.
function ccx.supersede_notified(issue_ids bigint[], targets integer[])
  returns void
  language sql volatile
  set enable_hashjoin=off
  set enable_mergejoin=off
  set enable_seqscan=off
  set search_path=public, ccx, pg_temp;

-- How many seconds one process would take for a survey of this kind over so many clusters, by what surveys of the kind took before; null: there was none.
function ccx.survey_estimate(kind text, arguments jsonb, clusters bigint)
  returns double precision
  language sql stable
  set search_path=public, ccx, pg_temp;

-- Asks again for issues whose cooldown, spacing, damping, silence or wait after a failed rendering ended since the last sweep (clusters that reported within a day), wakes tasks that have work waiting, and makes partitions ahead.
function ccx.sweep(at timestamp with time zone DEFAULT now())
  returns TABLE(cooldowns_ended integer, woken text[])
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Stores one batch of announcements of one Kafka partition as jobs and moves its offset. Raises NTI01: topic created anew; NTI02: the database is behind expected_offset.
function ccx.take_announcements(topic text, partition integer, batch jsonb, high_watermark bigint DEFAULT NULL::bigint, at timestamp with time zone DEFAULT now(), expected_offset bigint DEFAULT NULL::bigint)
  returns TABLE(taken integer, known integer, dead integer, skipped integer, next_offset bigint)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Brings cluster_rule_toggle and rule_disable in step with those of the aggregator's database (arrays of their rows); what people acknowledged here stays. Returns how many were added and ended.
function ccx.take_disabled_rules(toggles jsonb, disables jsonb, OUT added integer, OUT ended integer)
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Takes up to batch_size of the clusters that wait longest, or (two arrays, position by position) these, out of decision_due and keeps their locks, so that nobody else decides for them until the transaction ends; null: none wait.
function ccx.take_due(batch_size integer, at timestamp with time zone, only_orgs bigint[], only_clusters text[], OUT org_ids bigint[], OUT clusters text[], OUT by_report boolean[])
  returns record
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The clusters whose cooldown, spacing, damping or wait after a failed rendering ended since the last time (and that reported within a day), which have to wait for a decision; what a silence held is requested.
function ccx.take_ended_holds(at timestamp with time zone)
  returns TABLE(org_id bigint, cluster text)
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- The clusters that were put aside and whose next try is due; they have to wait for a decision again. Asks for the try after it in ten minutes.
function ccx.take_stuck(at timestamp with time zone)
  returns TABLE(org_id bigint, cluster text, by_report boolean)
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Asks the surveys of survey_schedule that are due where the fleet is large, gives up what nobody finishes, deletes what is old, and wakes the workers for what is left.
function ccx.tend_surveys(at timestamp with time zone DEFAULT clock_timestamp())
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of rule_disable and cluster_rule_toggle: a truncate ends every acknowledgement that came from that table.
function ccx.tg_acknowledgement__emptied()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of acknowledgement: notes in acknowledged_rule whose issues decide() has to look it up for.
function ccx.tg_acknowledgement__rules()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of the views of the schema aggregator: refuses update and delete with NTV07.
function ccx.tg_aggregator__refuse_change()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of analysis: says that an upload is being processed, is done, or has failed.
function ccx.tg_analysis__status()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Applies a setting that a fleet database brings; raises NTZ11 for one that is for another cell.
function ccx.tg_applied__apply()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of cluster_rule_toggle: keeps its history in acknowledgement; what is switched on again is asked again.
function ccx.tg_cluster_rule_toggle__acknowledgement()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of content_guard: refuses a load of content that would hold or release more of the open issues than that allows, unless a person agreed.
function ccx.tg_content_guard__issues()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of decision_request: wakes the deciders when the transaction commits.
function ccx.tg_decision_request__wake()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of tables that keep history: refuses (NTK01) unless ccx.rewrite_history is on. Arguments: what to do instead; then columns that may change.
function ccx.tg_guard()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of new_reports and reported while an adoption is undone: what is written there is written to the old tables, too.
function ccx.tg_mirror_to_incumbent()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of new_reports: keeps latest_report, issue, occurrence and decision_due in step with the reports of one statement.
function ccx.tg_new_reports__issues()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of new_reports: refuses another key (NTI03), and to delete the newest report of a cluster while older ones stay (NTI04).
function ccx.tg_new_reports__kept()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of new_reports: stores the name of a cluster in lower case.
function ccx.tg_new_reports__spelling()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of issue and rule_content: what the ledger names is not deleted.
function ccx.tg_notified_issue__referred()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of notified_issue: every issue and version of content that it names exists, and stays while it does (tg_notified_issue__referred()).
function ccx.tg_notified_issue__refers()
  returns trigger
  language plpgsql volatile security definer
  set enable_seqscan=off
  set search_path=public, ccx, pg_temp;

-- Trigger of notified_issue: keeps superseded_at, the time at which an issue was notified through the same target again.
function ccx.tg_notified_issue__superseded()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of policy: evaluates the filter of a new policy for all content of its time.
function ccx.tg_policy__filter_results()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of policy: refuses whatever would change what a past decision went by.
function ccx.tg_policy__history()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of policy: keeps a planned version that is deleted in withdrawn_policy, and lets the one before it go on.
function ccx.tg_policy__withdrawn()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of aggregator.recommendation: lets a row pass that is so already. Raises NTV01 (owner), NTV04 (no report) or NTV06 (no such hit).
function ccx.tg_recommendation__stored()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of aggregator.report: stores an inserted row by the rules for messages. Raises NTV01 (owner), NTV02 (time) or NTV03 (report).
function ccx.tg_report__stored()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of aggregator.report_info: notes the version of a cluster at its newest report. Raises NTV01 (owner), NTV04 (no report) or NTV05 (text).
function ccx.tg_report_info__stored()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of reported: what another program sent (state 1) is in its cooldown for us, too.
function ccx.tg_reported__elsewhere()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of retention: a row that is missing would end retention of its table without a word.
function ccx.tg_retention__kept()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of rule_content: notifies the workers, on the channel ccx_content, to look whether what they keep of it still holds.
function ccx.tg_rule_content__announce()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of rule_content: evaluates the filters of all policies of its time for new content.
function ccx.tg_rule_content__filter_results()
  returns trigger
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Trigger of rule_disable: keeps its history in acknowledgement; what is no longer disabled is asked again.
function ccx.tg_rule_disable__acknowledgement()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of aggregator.cluster_rule_user_feedback: takes a row as a vote. Raises NTV01 (owner), NTV04 (no report) or NTV05 (vote or text).
function ccx.tg_user_feedback__stored()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- Trigger of wake_up: turns the wishes of the transaction into jobs at commit, so that the rows of the jobs are locked for that moment only.
function ccx.tg_wake_up__send()
  returns trigger
  language plpgsql volatile security definer
  set search_path=public, ccx, pg_temp;

-- About how many seconds it takes to try a change of policy, now or between two times, of a target or of one organization, and how many decisions that is, by what surveys took; no row, or null: unknown.
function ccx.trial_estimate(target text, org_id bigint DEFAULT NULL::bigint, from_time timestamp with time zone DEFAULT NULL::timestamp with time zone, to_time timestamp with time zone DEFAULT NULL::timestamp with time zone)
  returns TABLE(decisions bigint, seconds double precision)
  language sql stable
  set search_path=public, ccx, pg_temp;

-- The issues that were left out of a message that ended.
function ccx.unrendered_issues(settled ccx.settled_notification)
  returns TABLE(issue_id bigint)
  language sql immutable parallel safe;

-- These issues of these messages (two arrays, position by position) count as notified again from this time on; returns how many did not.
function ccx.unvoid_notified(notification_ids bigint[], issue_ids bigint[], at timestamp with time zone)
  returns integer
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Uploads (upload_status) of an organization, a cluster, in a state, received since; null: any. The newest first, at most so many.
function ccx.uploads_since(org_id bigint, cluster text, state text, since timestamp with time zone, most integer)
  returns TABLE(request_id text, org_id_of bigint, cluster_of text, state_of text, size bigint, received_at timestamp with time zone, storing interval, announcing interval, waiting interval, processing interval, whole interval, failure text)
  language plpgsql stable
  set plan_cache_mode=force_custom_plan
  set search_path=public, ccx, pg_temp;

-- True when a person has agreed to the next load of content that would be refused; that was it then.
function ccx.use_acceptance(at timestamp with time zone)
  returns boolean
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Which policy and content decide about each issue, open or not, for this target (null: each of them) at this time, and the reasons that hold it whatever the cluster (clusters: only these).
function ccx.verdict(target integer, at timestamp with time zone, clusters text[] DEFAULT NULL::text[])
  returns SETOF ccx.issue_verdict
  language sql stable parallel safe;

-- Takes out of the ledger what did not reach its receiver, given up or not rendered, and brings back what did after all.
function ccx.void_ledger(settled ccx.settled_notification[], at timestamp with time zone)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- These issues of these messages (two arrays, position by position) do not count as notified from this time on.
function ccx.void_notified(notification_ids bigint[], issue_ids bigint[], at timestamp with time zone)
  returns void
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Queues the task that sends announcements and statuses of uploads, for now or for later, at commit.
function ccx.wake_announcements(wake_at timestamp with time zone DEFAULT NULL::timestamp with time zone)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Queues the task that forwards rejected messages to the dead-letter topic.
function ccx.wake_dead_letters()
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Queues the task that decides for the clusters in decision_due, when the transaction commits.
function ccx.wake_decide()
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Queues the delivery task of a target (its name as in event_targets), for now or for later, when the transaction commits; while its circuit is open, for the next probe.
function ccx.wake_delivery(target text, wake_at timestamp with time zone DEFAULT NULL::timestamp with time zone)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Queues the delivery task of every target that has a message to be claimed by this time; returns the names of these targets.
function ccx.wake_due_deliveries(at timestamp with time zone)
  returns text[]
  language plpgsql volatile
  set search_path=public, ccx, pg_temp;

-- Queues a graphile-worker job of this task, for now or for run_at, when the transaction commits; key and mode as add_job() takes them.
function ccx.wake_up(task text, job_key text, job_key_mode text DEFAULT 'preserve_run_at'::text, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone)
  returns void
  language sql volatile
  set search_path=public, ccx, pg_temp;

-- Is a report of updated_at recent enough at this time that its cluster is decided on again without a newer one.
function ccx.within_reevaluation_window(updated_at timestamp with time zone, at timestamp with time zone)
  returns boolean
  language sql stable parallel safe;

-- The namespaces that recommendations are about, as workload_namespace counts them.
function ccx.workload_namespaces(recommendations jsonb)
  returns TABLE(namespace_id text, name text, recommendations integer, objects integer, hits jsonb)
  language sql immutable parallel safe;

-- The objects that recommendations are about, one row for each time that one is named; without those that belong to no namespace.
function ccx.workload_objects(recommendations jsonb)
  returns TABLE(nth bigint, component text, error_key text, details jsonb, place bigint, namespace_id text, namespace text, kind text, uid text, name text)
  language sql immutable parallel safe;

-- What is recommended about one namespace of a cluster of this organization, with its objects; nth is the order of the message.
function ccx.workload_recommendations(org_id bigint, cluster text, namespace_id text)
  returns TABLE(nth bigint, component text, error_key text, details jsonb, objects jsonb)
  language sql stable parallel safe;

-- The namespaces of an organization, or one of them, about which there is something to show, with the number of their recommendations, the highest total risk (0: no content says one), and objects by total risk.
function ccx.workload_risks(org_id bigint, with_internal boolean, only_cluster text DEFAULT NULL::text, only_namespace text DEFAULT NULL::text)
  returns TABLE(cluster text, namespace_id text, recommendations bigint, highest smallint, by_risk jsonb)
  language sql stable parallel safe;

-- Whether every transaction of this database that began before this time has ended.
function ccx.writers_are_done(at timestamp with time zone)
  returns boolean
  language sql volatile
  set search_path=public, ccx, pg_temp;
