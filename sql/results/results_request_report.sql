create or replace function ccx.results_request_report(
  org_id bigint, cluster text, request_id text, with_internal boolean default false,
  at timestamptz default now()
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('cluster', r.cluster, 'requestID', r.request_id, 'status', 'processed',
      'report', coalesce((
        select jsonb_agg(jsonb_build_object('rule_fqdn', rule_module(h.component), 'error_key', h.error_key,
            'description', c.description, 'total_risk', c.total_risk)
          order by c.total_risk desc, h.component, h.error_key)
        from report_hits(readable_report(r.report)) h
        join rule_content c on c.python_module = rule_module(h.component) and c.error_key = h.error_key
          and c.rule_name = rule_name(h.component) and upper_inf(c.validity)
        where with_internal or not is_internal(c.python_module)), '[]'))
    from new_reports r
    where r.org_id = results_request_report.org_id and r.cluster = results_request_report.cluster
      and r.request_id = results_request_report.request_id
      and r.received_at > results_request_report.at - interval '24 hours'
      and not cluster_has_left(r.org_id, r.cluster)
    order by r.received_at desc, r.updated_at desc
    limit 1);
end $$;

comment on function ccx.results_request_report(bigint, text, text, boolean, timestamptz) is
  'What one upload of the last day hit, also when it is not the newest. Null: nothing is known of it.';
