-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table cell is
  'which share of the clusters this database has; adopt_cell() changes it, and forgets the others'' rows';
comment on column cell.only_row is 'keeps this table at one row';
comment on column cell.name is
  'its name, which CCX_CELL has to repeat and the consumer group ends in; empty: the only database there is';
comment on column cell.buckets is 'the buckets of its clusters (bucket_of()), of 0 to 255';
comment on column cell.adopted_at is 'when it became this cell; null: it never had another share';
