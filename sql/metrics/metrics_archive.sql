-- The oldest is found by index, so a store of millions costs no more than an empty one.
create or replace view metrics_archive with (security_invoker = true) as
select
  s.store,
  greatest(extract(epoch from now() - l.keep - (
    select min(a.stored_at) from archive a where a.store = s.store and a.removed_at is null
  )), 0)::double precision as overdue_seconds
from (values ('database'), ('folder'), ('s3')) s (store)
cross join archive_limits l;

comment on view metrics_archive is 'The contents of uploaded archives that are kept, for each store.';
comment on column metrics_archive.store is 'database, folder or s3';
comment on column metrics_archive.overdue_seconds is
  'for how long the oldest content should have been removed; 0 when none is past, or none is kept';
