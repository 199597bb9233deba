-- Content for every rule that bench.hits() may name: a third of it is grave enough, and of a tag, to be
-- notified.
select load_content(jsonb_agg(jsonb_build_object(
    'rule_name', 'rule_' || n, 'error_key', 'KEY_' || n, 'python_module', 'ccx_rules_ocp.external.rules.rule_' || n,
    'description', 'rule_' || n || ' is wrong', 'generic', '', 'summary', '', 'reason', 'because', 'resolution', 'wait',
    'more_info', '', 'impact', 1 + bench.pick('impact ' || n, 4), 'likelihood', 1 + bench.pick('likelihood ' || n, 4),
    'status', 'active', 'publish_date', null,
    'tags', case when n % 2 = 0 then '["osd_customer"]' else '[]' end::jsonb)),
  bench.present() - interval '30 days')
from generate_series(70, 290) n;
select set_policy('service log', '{"enabled": true}', 'for the benchmark',
  bench.present() - interval '29 days');

-- One round of clusters 1 to `clusters`: their reports arrive, are decided on and delivered.
create procedure bench.live(clusters integer, round integer, bytes integer)
language plpgsql
as $$
declare
  ends timestamptz := bench.present() + interval '2 hours' * round + interval '5 minutes';
  decided integer;
  target record;
  outcomes jsonb;
begin
  perform ensure_partition(parent, day::date)
  from unnest(array['new_reports', 'reported']) parent
  cross join generate_series((ends - interval '3 hours') at time zone 'UTC',
    ends at time zone 'UTC' + interval '1 day', '1 day') day;
  insert into new_reports (org_id, account_number, cluster, report, updated_at, received_at)
  select bench.org(n), 500000 + n / 3, bench.cluster(n),
    jsonb_build_object('reports', bench.hits(n, round, bytes / 2))::text,
    bench.reported_at(n, round), bench.reported_at(n, round) + interval '3 seconds'
  from generate_series(1, clusters) n;
  loop
    select d.clusters into decided from decide_due(1000, ends) d;
    exit when decided = 0;
  end loop;
  for target in select t.name from event_targets t loop
    loop
      select jsonb_agg(jsonb_build_object('id', c.id, 'attempt', c.attempt, 'sent', true, 'result',
        case target.name when 'service log' then jsonb_build_object('entry_id', gen_random_uuid())
          else jsonb_build_object('topic', 'platform.notifications.ingress', 'offset', c.id::text,
            'partition', 0) end))
      into outcomes
      from claim_notifications(target.name, 500, '2 minutes', ends) c;
      exit when outcomes is null;
      perform settle_notifications(outcomes, ends);
    end loop;
  end loop;
  delete from graphile_worker._private_jobs;
end $$;
