-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table archive is
  'archives that were uploaded, one row each; the content is in the store under object_key until removed_at; '
  'written by retain, upload (who forgets, and who stores and removes)';
comment on column archive.archive_id is 'number of the archive';
comment on column archive.request_id is 'what everybody knows the upload by: of the client, or made here';
comment on column archive.org_id is 'the organization, from the identity of the request';
comment on column archive.account_number is 'the account of the identity, as it was given; empty: none';
comment on column archive.principal is 'who uploaded, as announcements say it: the organization';
comment on column archive.cluster is 'the cluster, where the identity names one';
comment on column archive.service is 'whom the archive is for: openshift';
comment on column archive.category is 'what kind of archive it is for that service: periodic';
comment on column archive.content_type is 'content type of the file as the client gave it';
comment on column archive.size is 'bytes of the file';
comment on column archive.sha256 is 'SHA-256 of the file';
comment on column archive.store is 'where the content is: database (archive_chunk), folder or s3';
comment on column archive.object_key is 'the name of the content in the store';
comment on column archive.b64_identity is 'the header x-rh-identity as it came';
comment on column archive.metadata is 'what the client said about the archive; null: nothing';
comment on column archive.user_agent is 'program that uploaded';
comment on column archive.duplicate_of is
  'the first archive of the organization with the same content; null: this is it';
comment on column archive.received_at is 'when the request began to arrive; becomes the time of the report';
comment on column archive.stored_at is 'when the content and this row were complete';
comment on column archive.removed_at is 'when the content was removed from the store; null: it is kept';
comment on column archive.forgotten_at is
  'since when it is to be forgotten (forget()): it goes with its content; null: it is not';
comment on column archive.traceparent is
  'trace that it goes on in, in the form of W3C Trace Context; null: none was started';

comment on table archive_chunk is
  'contents of archives, in pieces, where the store is this database; written by fleet, upload: a new cell '
  'has none';
comment on column archive_chunk.object_key is 'which object: archive.object_key';
comment on column archive_chunk.nth is 'which piece of it, from 0';
comment on column archive_chunk.bytes is 'the piece';
comment on column archive_chunk.stored_at is 'when it was stored';

comment on table archive_limits is
  'how long and how much of the contents of archives is kept (set_archive_limits); their rows stay longer '
  '(retention)';
comment on column archive_limits.only_row is 'there is one row';
comment on column archive_limits.keep is 'how long a content is kept';
comment on column archive_limits.max_bytes is 'how many bytes are kept together, the newest; null: no limit';
comment on column archive_limits.changed_by is 'who set it';
comment on column archive_limits.changed_at is 'when it was set';

comment on table upload_message is
  'the outbox of uploads: announcements of archives and statuses of requests, to be sent, sent, or dead';
comment on column upload_message.message_id is
  'number of the message; those of a request are sent in this order';
comment on column upload_message.request_id is 'the upload it is about';
comment on column upload_message.archive_id is 'its archive; null: another ingress has it';
comment on column upload_message.kind is 'announcement or status';
comment on column upload_message.org_id is 'the organization; null: not known';
comment on column upload_message.account_number is 'the account; empty: none';
comment on column upload_message.service is 'for an announcement whom it is for, for a status who says so';
comment on column upload_message.status is 'received, processing, processed, success or error';
comment on column upload_message.status_msg is 'the same for people';
comment on column upload_message.noted_at is 'when it was so';
comment on column upload_message.due_at is
  'when it is to be sent, or (claimed) when the lease of a worker ends; null: sent or dead';
comment on column upload_message.attempts is 'how often a worker has taken it';
comment on column upload_message.signed_at is 'from when on the URL of the announcement counts';
comment on column upload_message.sent_at is 'when Kafka had it';
comment on column upload_message.partition is 'where in the topic, as far as the broker says';
comment on column upload_message.kafka_offset is 'where in the partition';
comment on column upload_message.died_at is 'when it was given up';
comment on column upload_message.failure is 'why the last try failed, as in notification';
comment on column upload_message.error is 'the same for people';
