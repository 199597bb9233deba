-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table fleet.applied is
  'the settings that a fleet database has brought here; a new row is applied in the transaction that '
  'inserts it';
comment on column fleet.applied.setting_id is 'the setting, as the fleet numbers it: each is applied once';
comment on column fleet.applied.cell is 'the cell that it was for; after a split, of the one before';
comment on column fleet.applied.action is 'the function that was called';
comment on column fleet.applied.arguments is 'its arguments by name';
comment on column fleet.applied.at is 'from when it counts, the same in every cell';
comment on column fleet.applied.queued_by is 'who queued it; recorded as the person who changed the setting';
comment on column fleet.applied.applied_at is 'when this cell got it';
comment on column fleet.applied.result is
  'what the function returned; {"elsewhere": true}: it was about a cluster of another cell';
