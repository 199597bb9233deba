create or replace view fleet.settings with (security_invoker = true) as
select s.position, s.id, s.action, s.arguments, s.at, s.queued_by, s.queued_at, c.name as cell,
  coalesce(o.state, 'queued') as state, o.tried_at, o.error
from fleet.setting s
cross join fleet.cell c
left join fleet.outcome o on o.setting_id = s.id and o.cell = c.name
order by s.position, c.name;

comment on view fleet.settings is 'Every setting that was queued, with what became of it in each cell.';
comment on column fleet.settings.position is 'its place in the order';
comment on column fleet.settings.id is 'its number in the cells';
comment on column fleet.settings.action is 'the function that each cell calls';
comment on column fleet.settings.arguments is 'its arguments by name';
comment on column fleet.settings.at is 'from when it counts';
comment on column fleet.settings.queued_by is 'who queued it';
comment on column fleet.settings.queued_at is 'when it was queued';
comment on column fleet.settings.cell is 'the cell';
comment on column fleet.settings.state is
  'queued (nobody has tried yet), waiting (the cell was away or busy), applied, or refused';
comment on column fleet.settings.tried_at is 'when it was tried last';
comment on column fleet.settings.error is 'what the cell said, or what kept it from answering';
