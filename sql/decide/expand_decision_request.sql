-- A request may concern a million clusters: so many at a time, in the order of their names, and only while
-- few wait, so that reports that come in are not kept waiting behind it.
create or replace function ccx.expand_decision_request(
  batch_size integer, at timestamptz default clock_timestamp()
) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  request decision_request;
  silence silence;
  asked integer;
  last_cluster text;
  orgs bigint[];
  names text[];
begin
  if batch_size <= (
    select count(*) from (select from decision_due d where d.due_at <= now() limit batch_size) waiting) then
    return 0;
  end if;
  loop
    select r.* into request
    from decision_request r
    where r.due_at <= expand_decision_request.at
    order by r.due_at, r.id
    limit 1
    for update skip locked;
    if not found then
      return 0;
    end if;
    select s.* into silence from silence s where s.id = request.silence_id;

    -- `execute` plans with the scope at hand. Cluster by cluster along the primary key, until there are
    -- enough: joined as a whole, all issues were read and sorted for each batch.
    execute $query$
      with concerned as (
        select l.org_id, l.cluster
        from latest_report l
        cross join lateral (
          select
          from issue i
          join rule r on r.id = i.rule_id
          left join rule_content c
            on $6 is not null and c.rule_name = r.rule_name and c.error_key = r.error_key and c.validity @> $1
          where i.org_id = l.org_id and i.cluster = l.cluster
            and (i.closed_at is null or i.closed_at > l.updated_at - interval '1 day')
            and ($3 is null or r.rule_name = any ($3))
            and ($6 is null or silence_matches($7, i.org_id, i.cluster, r.rule_name, r.error_key, c.tags))
          limit 1
        ) hit
        where l.cluster > $2
          and within_reevaluation_window(l.updated_at, $1)
          and ($4 is null or l.org_id = $4)
          and ($5 is null or l.cluster = $5)
        order by l.cluster
        fetch first $8 rows with ties
      )
      select count(*), max(c.cluster), array_agg(c.org_id), array_agg(c.cluster) from concerned c
    $query$
    into asked, last_cluster, orgs, names
    using at, request.after_cluster,
      coalesce(request.rule_names, case when silence.rule_name is not null then array[silence.rule_name] end),
      coalesce(request.org_id, silence.org_id), coalesce(request.cluster, silence.cluster),
      request.silence_id, silence, batch_size;
    perform mark_due(orgs, names, array_fill(false, array[coalesce(cardinality(names), 0)]));

    if asked < batch_size then
      delete from decision_request r where r.id = request.id;
    else
      update decision_request r set after_cluster = last_cluster where r.id = request.id;
    end if;
    -- one that concerns nobody is over, and must not stand before the next; of two that do, the second waits
    -- for its own transaction: their clusters together would be locked out of order
    exit when asked > 0;
  end loop;
  return asked;
end $$;

comment on function ccx.expand_decision_request(integer, timestamptz) is
  'Puts the next clusters that a request concerns (those that reported within a day) into decision_due, '
  'unless batch_size wait there already; returns how many.';
