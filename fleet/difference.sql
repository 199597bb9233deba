create or replace view fleet.difference with (security_invoker = true) as
with asked as materialized (
  select a.cell, a.answer, a.error from fleet.ask('setting_in_force') a
), answering as (
  select array_agg(a.cell order by a.cell) as cells from asked a where a.error is null
), setting as (
  select s.kind, s.name, s.setting, array_agg(a.cell order by a.cell) as cells
  from asked a
  cross join lateral jsonb_populate_recordset(null::fleet.setting_in_force, a.answer) s
  group by s.kind, s.name, s.setting
)
select s.kind, s.name, s.setting, s.cells,
  array(select unnest(n.cells) except select unnest(s.cells) order by 1) as lacking, null::text as error
from setting s
cross join answering n
where cardinality(s.cells) < cardinality(n.cells)
union all
select 'cell', a.cell, null, null, array[a.cell], split_part(a.error, E'\n', 1)
from asked a
where a.error is not null
order by 1, 2, 4;

comment on view fleet.difference is
  'What is set in some cells and not in others: policies, silences and acknowledgements that are not of one '
  'cluster, content, retention; and the cells that could not be asked.';
comment on column fleet.difference.kind is
  'policy, silence, acknowledgement, content or retention; cell: it could not be asked';
comment on column fleet.difference.name is 'what it is about';
comment on column fleet.difference.setting is 'what is set; of the texts of content: a hash';
comment on column fleet.difference.cells is 'the cells that have it';
comment on column fleet.difference.lacking is 'the cells that do not';
comment on column fleet.difference.error is 'why the cell could not be asked';
