-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table new_reports is
  'new reports consumed from Kafka topic and stored to database in shrunk format; written by adopt, compat, '
  'decide, ingest, issues: import_reported() adds what only reported has, the trigger mends received_at';
comment on column new_reports.org_id is 'organization that owns the cluster (OrgID)';
comment on column new_reports.account_number is
  'AccountNumber of the message, 0 where the producer left it out';
comment on column new_reports.cluster is 'cluster the report is about (ClusterName)';
comment on column new_reports.report is
  'the report without system, fingerprints, skips, info, pass and analysis_metadata; text because other '
  'programs write it too, not always JSON';
comment on column new_reports.updated_at is
  'the report''s own time (LastChecked), so that a redelivered message meets its own row';
comment on column new_reports.kafka_offset is 'offset of the message in its partition';
comment on column new_reports.received_at is 'when the content now stored arrived here';
comment on column new_reports.request_id is
  'the upload that it was made from (RequestId of the message); null: not known';
comment on column new_reports.gathered_at is
  'when the cluster gathered that upload (Metadata.gathering_time); null: not known';
comment on column new_reports.cluster_version is
  'OpenShift version of the cluster (item CLUSTER_VERSION_INFO of info); null: not known';
comment on column new_reports.traceparent is
  'the trace that its message came in (W3C Trace Context); null: none is known';

comment on column new_reports.hits_hash is
  'the hash of its hits (hits_hash()) as the consumer computed it; null: another program wrote it';

comment on table new_reports_default is
  'reports of days that have no partition: older than what ensure_partition() makes room for';

comment on table consumer_offset is
  'how far each partition has been consumed; moves in the transaction that stores the messages, so Kafka''s '
  'own offset never leads it; written by analyze, ingest';
comment on column consumer_offset.topic is 'Kafka topic';
comment on column consumer_offset.partition is 'partition of the topic';
comment on column consumer_offset.next_offset is
  'first offset that is not stored yet; its row lock keeps a zombie consumer out';
comment on column consumer_offset.updated_at is 'when it last moved';
comment on column consumer_offset.high_watermark is
  'where the partition ended when its last batch was fetched; null: not known yet';
comment on column consumer_offset.high_watermark_at is 'when that was stored';
comment on column consumer_offset.is_behind is
  'more of the partition was known to follow: decisions on its reports wait for the rest';
comment on column consumer_offset.stored_at is
  'when a report of it was last stored; null: never, or it has none (workloads)';

comment on table rejected_message is
  'messages that do not conform, with everything needed to look at them and to try them again';
comment on column rejected_message.id is 'number of the rejected message';
comment on column rejected_message.topic is 'Kafka topic';
comment on column rejected_message.partition is 'partition of the topic';
comment on column rejected_message.stream is
  'what the topic carries: results (reports) or workloads; says how a retry reads the message';
comment on column rejected_message.kafka_offset is 'offset of the message in its partition';
comment on column rejected_message.reason is 'why, from a fixed vocabulary (docs/reference/reasons.md)';
comment on column rejected_message.detail is 'why, as a sentence that names the field';
comment on column rejected_message.key is 'raw bytes of the message key';
comment on column rejected_message.value is 'raw bytes of the message as received; null for a tombstone';
comment on column rejected_message.headers is 'Kafka headers, values in base64';
comment on column rejected_message.received_at is 'when it arrived the first time';
comment on column rejected_message.org_id is
  'organization in it, where that could be read';
comment on column rejected_message.request_id is
  'the upload that it is about, where that could be read: the results API answers that it failed';
comment on column rejected_message.cluster is
  'cluster in it, where that could be read';
comment on column rejected_message.attempts is
  'how many times it was tried: once when it arrived, and with every retry';
comment on column rejected_message.retried_at is 'when it was tried again last';
comment on column rejected_message.stored_at is 'when a retry stored it; null: it is still rejected';
comment on column rejected_message.retry_due_at is
  'when the service tries it again by itself, since time may mend what was wrong; null: it does not';
comment on column rejected_message.dead_letter_due_at is
  'when it may go to the dead-letter topic, or the lease of the worker that has it ends; null: it need not '
  'go (any more)';
comment on column rejected_message.dead_lettered_at is 'when it was written to the dead-letter topic';
comment on column rejected_message.dead_letter_error is 'why it cannot go to the dead-letter topic';
