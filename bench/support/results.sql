-- Results of a made-up fleet, as they are on the wire; the same each time but for the present,
-- bench.present().
--
-- A cluster reports every two hours, with 1 to 3 hits. From one report to the next one hit in 20 is another
-- one. Half of a message is hits, half is skips, which are not stored: so it is with real ones. Details are
-- sentences with a number that differs each time, so they compress like text, not like noise.
create function bench.pick(seed text, below integer) returns integer
language sql immutable parallel safe
return (('x' || left(md5(seed), 7))::bit(28)::integer % below);

create function bench.cluster(n integer) returns text
language sql immutable parallel safe
return md5('cluster ' || n)::uuid::text;

create function bench.org(n integer) returns bigint
language sql immutable parallel safe
return 1000 + n / 3;

-- Round 0 is the newest one, round -1 came two hours earlier. Clusters report one after the other.
create function bench.reported_at(n integer, round integer) returns timestamptz
language sql stable parallel safe
return bench.present() + interval '2 hours' * round
  - interval '1 millisecond' * bench.pick('reports ' || n, 7000000);

-- A slice of a constant text costs little to make, however many are made.
do $$
begin
  execute format('create function bench.text() returns text language sql immutable parallel safe return %L',
    (select string_agg(format('Node worker-%s is not ready: the kubelet stopped posting status (%s of 17).',
       left(md5('worker ' || i), 8), i), E'\n' order by i)
     from generate_series(1, 170) i));
end $$;

create function bench.sentences(seed text, characters integer) returns text
language sql immutable parallel safe
return substr(bench.text(), 1 + bench.pick(seed, 6000), greatest(characters, 0));

-- PL/pgSQL keeps its plans: as SQL functions, these two took three times as long.
create function bench.hits(n integer, round integer, characters integer) returns jsonb
language plpgsql stable parallel safe
as $$
declare
  hits integer := 1 + bench.pick('hits ' || n, 3);
  rule text;
  answer jsonb := '[]';
begin
  for slot in 1..hits loop
    rule := 70 * slot + bench.pick(format('rule %s %s %s', n, slot,
      (round + 1000 + bench.pick('turn ' || n || ' ' || slot, 20)) / 20), 70);
    answer := answer || jsonb_build_object(
      'rule_id', 'rule_' || rule || '|KEY_' || rule,
      'component', 'ccx_rules_ocp.external.rules.rule_' || rule || '.report',
      'type', 'rule',
      'key', 'KEY_' || rule,
      'details', jsonb_build_object('type', 'rule', 'error_key', 'KEY_' || rule, 'message',
        bench.sentences(format('%s %s %s', n, round, slot), characters / hits - 230)),
      'tags', '[]'::jsonb,
      'links', '{}'::jsonb);
  end loop;
  return answer;
end $$;

-- The message of so many bytes, give or take some.
create function bench.result(n integer, round integer, bytes integer) returns text
language plpgsql stable parallel safe
as $$
declare
  at timestamp := bench.reported_at(n, round) at time zone 'UTC';
  skip text := '{"rule_fqdn":"ccx_rules_ocp.ocs.operator_phase_check.report","reason":"MISSING_REQUIREMENTS",'
    '"details":"All: [''ccx_ocp_core.specs.must_gather_ocs.PodsMGOCS''] Any: ","type":"skip"}';
begin
  return format('{"OrgID":%s,"AccountNumber":%s,"ClusterName":"%s","LastChecked":"%s","Version":2,"RequestId":"%s",'
      '"Metadata":{"gathering_time":"%s"},"Report":{"system":{"metadata":{},"hostname":null},"fingerprints":[],"skips":[%s],'
      '"info":[],"pass":[],"reports":%s}}',
    bench.org(n), 500000 + n / 3, bench.cluster(n),
    to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), md5(format('%s %s', n, round)),
      to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    rtrim(repeat(skip || ',', (bytes / 2 - 300) / length(skip)), ','),
    bench.hits(n, round, bytes / 2));
end $$;
