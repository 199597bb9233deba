-- The whole of a source at once, as load_content() does with rules: what is new is added, what left the
-- source is removed, and what a person wrote by hand, or another source has, stays. Where a line cannot be
-- attributed to a cluster, nothing is removed: it could be the line of any that seems to have left.
create or replace function load_registry(
  source text, location_hash bytea default null, etag text default null, last_modified text default null,
  accepted boolean default false, asked_every interval default null
)
returns table (added integer, changed integer, removed integer, unchanged integer, kept integer,
  elsewhere integer, refused integer, problems text[])
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  present integer;
  known registry_source;
begin
  if length(load_registry.source) between 1 and 64 is not true then
    raise exception 'a source has a name of 1 to 64 characters' using errcode = 'NTT02';
  end if;
  perform read_registry('{}', '{}', '{}', '{}', '{}', '{}', '{}');
  insert into registry_source (source) values (load_registry.source) on conflict do nothing;
  -- two loads at once would each remove the other's clusters
  select s.* into known from registry_source s where s.source = load_registry.source for update;

  update pg_temp.registry_line l
  set problem = format('the cluster is in line %s already', d.first_line)
  from (
    select n.line, min(n.line) over (partition by n.cluster, n.org_id) as first_line
    from pg_temp.registry_line n
    where n.problem is null
  ) d
  where d.line = l.line and d.line > d.first_line;
  analyze pg_temp.registry_line;
  -- owns() for each line took longer than all the rest
  delete from pg_temp.registry_line l
  using cell c
  where l.problem is null and not c.buckets @> bucket_of(l.cluster);
  get diagnostics elsewhere = row_count;

  select count(*) into present from cluster_registry g where g.source = load_registry.source;
  select count(*) into removed
  from cluster_registry g
  where g.source = load_registry.source
    and not exists (select from pg_temp.registry_line l where (l.cluster, l.org_id) = (g.cluster, g.org_id))
    and not exists (select from pg_temp.registry_line l where l.cluster is null or l.org_id is null);
  select count(*) filter (where g.cluster is null),
    count(*) filter (where g.source = load_registry.source
      and (g.display_name, g.managed, g.status) is distinct from (l.display_name, l.managed, l.status)),
    count(*) filter (where g.source = load_registry.source
      and (g.display_name, g.managed, g.status) is not distinct from (l.display_name, l.managed, l.status)),
    count(*) filter (where g.cluster is not null and g.source is distinct from load_registry.source)
  into added, changed, unchanged, kept
  from pg_temp.registry_line l
  left join cluster_registry g on (g.cluster, g.org_id) = (l.cluster, l.org_id)
  where l.problem is null;
  select count(*),
    coalesce((array_agg(format('line %s: %s', l.line, l.problem) order by l.line))[:100], '{}')
  into refused, problems
  from pg_temp.registry_line l
  where l.problem is not null;

  if not load_registry.accepted and changed + removed >= known.min_clusters
      and changed + removed > known.max_share * present then
    raise exception 'this would remove % and change % of the % clusters that % has, more than %; nothing was '
      'taken over (--yes says that it is meant)',
      removed, changed, present, load_registry.source, round(100 * known.max_share) || ' %'
      using errcode = 'NTT03';
  end if;

  delete from cluster_registry g
  where removed > 0 and g.source = load_registry.source
    and not exists (select from pg_temp.registry_line l where (l.cluster, l.org_id) = (g.cluster, g.org_id));
  insert into cluster_registry as g (cluster, org_id, display_name, managed, status, source)
  select l.cluster, l.org_id, l.display_name, l.managed, l.status, load_registry.source
  from pg_temp.registry_line l
  where l.problem is null
  on conflict (cluster, org_id) do update
  set display_name = excluded.display_name, managed = excluded.managed, status = excluded.status,
    changed_at = now()
  where g.source = excluded.source
    and (g.display_name, g.managed, g.status)
      is distinct from (excluded.display_name, excluded.managed, excluded.status);

  update registry_source s
  set loaded_at = now(), loaded_by = person(), failed_at = null, failure = null,
    asked_at = now(), asked_every = coalesce(load_registry.asked_every, s.asked_every),
    refused = load_registry.refused, problems = load_registry.problems,
    -- what stands in the way of a line may go without a new version of the source
    location_hash = case when kept = 0 then load_registry.location_hash end,
    etag = case when kept = 0 then load_registry.etag end,
    last_modified = case when kept = 0 then load_registry.last_modified end
  where s.source = load_registry.source;
  return next;
end $$;

comment on function load_registry(text, bytea, text, text, boolean, interval) is
  'Makes the clusters of a source what read_registry() read in this transaction. kept: by hand, or of '
  'another source; elsewhere: of other cells; refused: lines left out. accepted: a person agrees to '
  'whatever changes. asked_every: as in note_registry().';
