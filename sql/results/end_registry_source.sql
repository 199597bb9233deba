create or replace function end_registry_source(source text, with_clusters boolean default false)
  returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  known registry_source;
  concerned integer;
begin
  -- a load that goes on ends first
  select s.* into known from registry_source s where s.source = end_registry_source.source for update;
  if not found then
    raise exception 'the registry of clusters has no source "%"', left(end_registry_source.source, 60)
      using errcode = 'NTT04';
  end if;
  -- it would be back with the next round, and its clusters with it
  if known.asked_at > now() - 2 * known.asked_every then
    raise exception 'the source % is asked every % minutes; take it out of the configuration of whoever '
      'asks, and try again after %', known.source, floor(extract(epoch from known.asked_every) / 60),
      to_char(known.asked_at + 2 * known.asked_every, 'YYYY-MM-DD HH24:MI:SSOF')
      using errcode = 'NTT05';
  end if;
  select count(*) into concerned from cluster_registry g where g.source = known.source;
  if with_clusters then
    delete from cluster_registry g where g.source = known.source;
  end if;
  delete from registry_source s where s.source = known.source;
  return concerned;
end $$;

comment on function end_registry_source(text, boolean) is
  'Removes a source of the registry of clusters that nobody asks any more, and returns how many clusters it '
  'has. They stay, as if written by hand; with_clusters: they go, too. Refused while it is asked.';
