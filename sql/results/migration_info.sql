-- Not the notification writer's table of the same name in public: each program asks in its own schema.
create or replace view aggregator.migration_info with (security_invoker = true) as
select 32 as version;

comment on view aggregator.migration_info is
  'The version of the aggregator''s schema that these views stand for; its programs refuse any other.';
comment on column aggregator.migration_info.version is 'always 32';
