-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table organization_reader is
  'which organizations a database user sees who is in the role ccx_reader; without a row he sees none';
comment on column organization_reader.reader is 'name of the database user, as current_user has it';
comment on column organization_reader.org_id is 'an organization that he sees; null: all of them';
