create or replace function ccx.results_request_status(
  org_id bigint, cluster text, request_id text, at timestamptz default now()
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  status text;
begin
  status := case
    when exists (
      select from new_reports r
      where r.org_id = results_request_status.org_id and r.cluster = results_request_status.cluster
        and r.request_id = results_request_status.request_id
        and r.received_at > results_request_status.at - interval '24 hours') then 'processed'
    when exists (
      select from rejected_message m
      where m.org_id = results_request_status.org_id and m.cluster = results_request_status.cluster
        and m.request_id = results_request_status.request_id
        and m.stream = 'results' -- what became of the same upload's workloads is not asked
        and m.received_at > results_request_status.at - interval '24 hours') then 'failed'
    else (
      select case when u.state in ('failed', 'not announced') then 'failed' else 'received' end
      from upload_status u
      where u.request_id = results_request_status.request_id and u.org_id = results_request_status.org_id
        and u.cluster = results_request_status.cluster
        and u.received_at > results_request_status.at - interval '24 hours')
  end;
  return case when status is not null and not cluster_has_left(org_id, cluster)
    then jsonb_build_object('cluster', cluster, 'requestID', request_id, 'status', status) end;
end $$;

comment on function ccx.results_request_status(bigint, text, text, timestamptz) is
  'What became of an upload of the last day: received, processed, or failed when it or its message was '
  'rejected. Null: nothing is known of it.';
