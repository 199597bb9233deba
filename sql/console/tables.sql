-- What the table of this room and its columns hold; the table itself is in migrations/.

comment on table console_act is 'what people did in the console; only ever added to';
comment on column console_act.id is 'number of the act';
comment on column console_act.at is 'when';
comment on column console_act.person is 'who: the name of the person, with the database user in brackets';
comment on column console_act.act is 'what was done, for example: redrive';
comment on column console_act.details is 'to what, and with which values';
