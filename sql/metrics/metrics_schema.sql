create or replace view metrics_schema with (security_invoker = true) as
select l.release, 1::double precision as info
from ccx.code_load l
order by l.id desc
limit 1;

comment on view metrics_schema is 'The release whose functions and views the database has.';
comment on column metrics_schema.release is 'the release that was loaded last';
comment on column metrics_schema.info is 'always 1';
