create or replace view fleet.doctor with (security_invoker = true) as
select (select c.name from cell c) as cell,
  v.severity, v.topic, v.finding, v.meaning, v.what_to_do
from doctor v;

comment on view fleet.doctor is
  'What somebody should look at in this cell: the view doctor.';
comment on column fleet.doctor.cell is 'name of the cell';
comment on column fleet.doctor.severity is
  'error: the service cannot do its work; warning: it will not, or does it late';
comment on column fleet.doctor.topic is 'what it is about';
comment on column fleet.doctor.finding is 'what was found, with figures';
comment on column fleet.doctor.meaning is 'what it means for customers or for the service';
comment on column fleet.doctor.what_to_do is 'what to do about it, or the query or command that shows more';
