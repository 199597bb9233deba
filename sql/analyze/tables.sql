-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table analysis is
  'one row for each announced archive: the job, the outbox of its result, and how it ended';
comment on column analysis.id is 'number of the analysis';
comment on column analysis.topic is 'Kafka topic it was announced on';
comment on column analysis.partition is 'partition of the topic';
comment on column analysis.kafka_offset is 'offset of the announcement in its partition';
comment on column analysis.request_id is 'request id of the upload; null: the announcement has none';
comment on column analysis.org_id is 'organization that uploaded it; null: it could not be read';
comment on column analysis.account_number is 'its account number; null: it has none that is a number';
comment on column analysis.cluster is
  'cluster it is about: of the identity, else of the archive; null: not known (yet)';
comment on column analysis.vouched is 'the identity of the upload names the cluster';
comment on column analysis.url is 'where the archive can be fetched; may hold a signature, and ends to work';
comment on column analysis.announced_at is 'the announcement''s own time';
comment on column analysis.last_checked is 'the same as it was written: LastChecked of the result';
comment on column analysis.gathering_time is
  'when the cluster gathered it, in UTC; else the announcement''s time';
comment on column analysis.announcement is 'the announcement as it came, where it does not conform';
comment on column analysis.received_at is 'when the announcement was consumed';
comment on column analysis.state is
  'waiting, analyzed (the result waits to be published), published, or dead';
comment on column analysis.attempts is 'how many times it was handed to an analyzer';
comment on column analysis.interruptions is
  'how many times in a row the process that had it ended without a word';
comment on column analysis.next_attempt_at is
  'when it is due, or the lease of the process that has it ends; null: it has ended';
comment on column analysis.started_at is 'when the last attempt began';
comment on column analysis.downloaded_at is 'when the archive was last fetched and unpacked';
comment on column analysis.analyzed_at is 'when its rules had run';
comment on column analysis.ended_at is 'when the result was published, or the archive given up';
comment on column analysis.failure is
  'why the last attempt failed, from a fixed vocabulary (docs/reference/reasons.md); null: it did not';
comment on column analysis.error is 'the same as a sentence';
comment on column analysis.redriven_at is 'when a person had it tried again last';
comment on column analysis.archive_bytes is 'size of the archive as it was fetched';
comment on column analysis.entries is 'how many files it has';
comment on column analysis.hits is 'how many hits its rules had';
comment on column analysis.message is 'the result, byte by byte, while it waits to be published';
comment on column analysis.result_topic is 'topic that the result was published to';
comment on column analysis.result_partition is 'partition of that topic; null: the broker did not say';
comment on column analysis.result_offset is 'offset of the result; null: the broker did not say';
comment on column analysis.traceparent is
  'trace that it goes on in, in the form of W3C Trace Context; null: none was started';

comment on table sql_rule is 'the rules that run in the database: one function each in the schema rules';
comment on column sql_rule.name is 'name of the rule, of its file, and of its function';
comment on column sql_rule.component is 'how results name it';
comment on column sql_rule.description is 'what it looks for, as its file begins';
comment on column sql_rule.reads is 'the files it reads: * stands for any name, ** for any path';
comment on column sql_rule.tags is 'tags of its hits';
comment on column sql_rule.links is 'links of its hits';
comment on column sql_rule.source is 'its file';
comment on column sql_rule.loaded_at is 'when this version of it was loaded';
comment on column sql_rule.loaded_by is 'who loaded it';
comment on column sql_rule.timeouts is 'how many times in a row it took too long';
comment on column sql_rule.suspended_at is
  'since when it does not run any more, since it took too long too often; null: it runs';

comment on table rule_failure is 'rules that failed on an archive; the other rules'' hits were published';
comment on column rule_failure.analysis_id is 'number of the analysis';
comment on column rule_failure.component is 'the rule';
comment on column rule_failure.reason is 'why, from a fixed vocabulary (docs/reference/reasons.md)';
comment on column rule_failure.detail is 'the same as a sentence';
comment on column rule_failure.failed_at is 'when it failed last';

comment on table kept_archive is 'archives whose documents are kept for a while, to try rules with';
comment on column kept_archive.id is 'number of the archive';
comment on column kept_archive.analysis_id is 'its analysis; null: it is gone';
comment on column kept_archive.request_id is 'request id of the upload';
comment on column kept_archive.org_id is 'organization that uploaded it';
comment on column kept_archive.cluster is 'cluster it is about';
comment on column kept_archive.announced_at is 'when it was announced';
comment on column kept_archive.kept_at is 'when its documents were stored';

comment on table archive_document is 'the files of kept archives; rules see them as rows of files';
comment on column archive_document.archive_id is 'number of the archive';
comment on column archive_document.path is 'name of the file in the archive';
comment on column archive_document.document is 'what is in it, where that is JSON';
comment on column archive_document.body is 'what is in it, where that is not';
