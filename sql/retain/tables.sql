-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table retention is
  'how long each table that is partitioned by day keeps its days (set_retention); the longest cooldown '
  'counts where it is longer';
comment on column retention.parent is 'new_reports or reported';
comment on column retention.keep is 'how long a day is kept after it has ended';
comment on column retention.changed_by is 'who set it';
comment on column retention.changed_at is 'when it was set';
