-- What has to be there before anything of fleet/index.sql can be loaded. The two tables are those of every
-- database of ours: `ccx fleet init` brings functions and views in step as `ccx migrate` does.
create schema if not exists ccx;
comment on schema ccx is 'internals of ccx-notifications';
create schema if not exists fleet;
comment on schema fleet is 'questions to all cells, and settings for all cells';
create extension if not exists postgres_fdw;
create table if not exists ccx.code_object (
  name text primary key,
  identity text not null,
  file text not null,
  hash text not null,
  position integer not null
);
create table if not exists ccx.code_load (
  id bigint generated always as identity primary key,
  release text not null,
  loaded_at timestamptz not null default now(),
  loaded_by text not null default session_user,
  loaded integer not null,
  dropped integer not null
);
-- whole groups are counted in the cells, at the same time
do $$
begin
  execute format('alter database %I set enable_partitionwise_aggregate = on', current_database());
end $$;
