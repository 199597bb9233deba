create or replace view archives with (security_invoker = true) as
select
  a.archive_id,
  a.request_id,
  a.org_id,
  a.cluster,
  a.service,
  a.category,
  a.size,
  encode(a.sha256, 'hex') as sha256,
  a.store,
  a.object_key,
  a.received_at,
  a.stored_at,
  a.removed_at is null as is_kept,
  case when a.removed_at is null then a.stored_at + l.keep end as kept_until,
  f.request_id as same_as,
  (select count(*) from archive d where d.duplicate_of = a.archive_id) as duplicates
from archive a
cross join archive_limits l
left join archive f on f.archive_id = a.duplicate_of;

comment on view archives is
  'The archives that were uploaded: whose, what, where, until when, and which are the same.';
comment on column archives.archive_id is 'number of the archive';
comment on column archives.request_id is 'what everybody knows the upload by';
comment on column archives.org_id is 'the organization';
comment on column archives.cluster is 'the cluster, where the identity named one';
comment on column archives.service is 'whom it is for';
comment on column archives.category is 'what kind of archive it is';
comment on column archives.size is 'bytes';
comment on column archives.sha256 is 'SHA-256 of the content, as text';
comment on column archives.store is 'where the content is: database, folder or s3';
comment on column archives.object_key is 'its name there';
comment on column archives.received_at is 'when it began to arrive';
comment on column archives.stored_at is 'when it was complete';
comment on column archives.is_kept is 'the content is still in the store';
comment on column archives.kept_until is
  'when its time ends; earlier, where max_bytes is short; null: it is gone';
comment on column archives.same_as is
  'the first upload of the organization with the same content; null: this is it';
comment on column archives.duplicates is 'how many later ones have the same content';
