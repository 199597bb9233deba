-- Uploads are remembered for a day after they were stored. They are rows of new_reports, also of reports that
-- came too late to count.
create or replace function ccx.results_requests(
  org_id bigint, cluster text, request_ids text[] default null, at timestamptz default now()
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  requests jsonb;
begin
  with known as (
    select r.request_id, max(coalesce(r.gathered_at, r.received_at)) as received,
      max(r.received_at) as processed
    from new_reports r
    where r.org_id = results_requests.org_id and r.cluster = results_requests.cluster
      and not cluster_has_left(r.org_id, r.cluster) and r.request_id is not null
      and r.received_at > results_requests.at - interval '24 hours'
    group by r.request_id
  )
  select jsonb_agg(jsonb_build_object(
      'requestID', coalesce(k.request_id, a.request_id), 'valid', k.request_id is not null,
      'received', coalesce(seconds_text(k.received), ''), 'processed', coalesce(exact_text(k.processed), ''))
    order by a.nth, k.processed desc, k.request_id)
  into requests
  from known k
  full join (
    select u.request_id, min(u.nth) as nth
    from unnest(results_requests.request_ids) with ordinality as u (request_id, nth)
    group by u.request_id
  ) a on a.request_id = k.request_id
  where results_requests.request_ids is null or a.request_id is not null;
  if requests is null and results_requests.request_ids is null then
    return null;
  end if;
  return jsonb_build_object('status', 'ok', 'cluster', cluster, 'requests', requests);
end $$;

comment on function ccx.results_requests(bigint, text, text[], timestamptz) is
  'The uploads of a cluster of the last day, newest first, or what is known of these. Null: none of the '
  'last day is known.';
