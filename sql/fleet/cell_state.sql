-- What a fleet asks first of each cell, in one question: who it is, how it is, and what it can be asked.
create or replace view fleet.cell_state with (security_invoker = true) as
select c.name as cell, c.buckets, c.adopted_at,
  (select l.release from ccx.code_load l order by l.id desc limit 1) as release,
  (select coalesce(array_agg(concat_ws(' ', s.what, s.target) order by s.what, s.target), '{}')
    from status s
    where s.state = 'attention') as attention,
  (select array_agg(concat_ws('.', a.attrelid::regclass, a.attname) order by a.attrelid, a.attnum)
    from pg_attribute a
    join pg_class v on v.oid = a.attrelid
    join pg_namespace n on n.oid = v.relnamespace
    where n.nspname = 'fleet' and a.attnum > 0 and not a.attisdropped) as columns
from cell c;

comment on view fleet.cell_state is 'Which cell this is, how it is, and what a fleet can ask of it; one row.';
comment on column fleet.cell_state.cell is 'name of the cell';
comment on column fleet.cell_state.buckets is 'the buckets of its clusters';
comment on column fleet.cell_state.adopted_at is 'when it became this cell; null: it never had another share';
comment on column fleet.cell_state.release is 'the release whose functions it has';
comment on column fleet.cell_state.attention is
  'what the view status wants somebody to look at; empty: all is well';
comment on column fleet.cell_state.columns is
  'every column that a fleet can ask for, as fleet.VIEW.COLUMN: cells may be of different releases';
