-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table migration_info is
  'the version of the notification writer''s schema, one row: what its own commands and others ask for';
comment on column migration_info.version is '0 to 8; our tables are those of 8 and more, whatever it says';
