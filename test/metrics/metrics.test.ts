import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { examine, requireProgress } from "../../src/metrics/health.ts";
import { openDatabase, testDatabase } from "../support/database.ts";
import { freePort } from "../support/free_port.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

const root = path.join(import.meta.dirname, "../..");
const database = testDatabase();
const promtool = spawnSync("promtool", ["--version"]).error ? undefined : "promtool";

type Sample = { name: string; labels: Record<string, string>; value: number };

/** The samples of a text in Prometheus' format. */
function samplesOf(text: string): Sample[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", labels = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
      return {
        name,
        labels: Object.fromEntries(pairs.map(([, key, text = ""]) => [key, text])),
        value: Number(value),
      };
    });
}

function sampleValue(
  samples: Sample[],
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  return samples.find(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )?.value;
}

type Health = { ok: boolean; checks: { check: string; ok: boolean; detail: string }[] };

scenario("a running service says how it and its database are", {}, async (scene) => {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const health = async (name: string) => {
    const answer = await fetch(`${base}/${name}`);
    return { status: answer.status, ...((await answer.json()) as Health) };
  };
  const failing = ({ checks }: Health) => checks.filter(({ ok }) => !ok).map(({ check }) => check);
  const service = scene.start("run", { env: { CCX_HTTP_PORT: port } });
  await service.says("metrics and health are served");
  assert.deepEqual(failing(await health("livez")), [], "a process that starts lives");
  await service.says("running");

  const cluster = aCluster();
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
  await scene.topics.produce([aReport(cluster, ["bug", "tutorial"]), "no report"], { headers });
  await scene.consumed(2);
  await scene.topics.received.take(1);
  await scene.quiet();

  const scrape = async () => (await fetch(`${base}/metrics`)).text();
  let text = "";
  await until("the notification is counted", async () => {
    text = await scrape();
    return sampleValue(samplesOf(text), "ccx_deliver_seen_to_notified_seconds_count", {
      target: "notifications backend",
    });
  });
  const samples = samplesOf(text);
  const is = (name: string, labels: Record<string, string>, value: number) =>
    assert.equal(sampleValue(samples, name, labels), value, `${name} ${JSON.stringify(labels)}`);
  const backend = { target: "notifications backend" };
  const results = { stream: "results" };
  is("ccx_ingest_messages_total", { ...results, outcome: "stored" }, 1);
  is("ccx_ingest_messages_total", { ...results, outcome: "rejected" }, 1);
  is("ccx_ingest_messages_total", { ...results, outcome: "skipped" }, 0);
  is("ccx_ingest_messages_total", { stream: "workloads", outcome: "stored" }, 0);
  is("ccx_ingest_rejected_total", { ...results, reason: "not_json" }, 1);
  is("ccx_ingest_rejected_total", { ...results, reason: "not_storable" }, 0);
  assert.ok((sampleValue(samples, "ccx_ingest_bytes_total", results) ?? 0) > 100);
  is("ccx_decide_decisions_total", { ...backend, decision: "notify" }, 1);
  is("ccx_decide_decisions_total", { ...backend, decision: "hold" }, 1);
  is("ccx_decide_holds_total", { ...backend, reason: "below_threshold" }, 1);
  is("ccx_decide_holds_total", { ...backend, reason: "cooldown" }, 0);
  is("ccx_decide_holds_total", { target: "service log", reason: "target_disabled" }, 2);
  is("ccx_deliver_attempts_total", { ...backend, outcome: "sent" }, 1);
  is("ccx_deliver_attempts_total", { ...backend, outcome: "dead" }, 0);
  is("ccx_deliver_failures_total", { ...backend, failure: "broker" }, 0);
  is("ccx_consumer_lag_messages", { topic: scene.topics.results, partition: "0" }, 0);
  is("ccx_consumer_next_offset", { topic: scene.topics.results, partition: "0" }, 2);
  is("ccx_outbox_waiting_messages", backend, 0);
  is("ccx_circuit_in_state", { ...backend, state: "closed" }, 1);
  is("ccx_content_missing_rules", {}, 0);
  is("ccx_worker_alive", {}, 1);
  is("ccx_scrape_up", { source: "database" }, 1);
  is("ccx_scrape_up", { source: "lag" }, 1);
  assert.deepEqual(
    samples.filter(({ name, value }) => name === "ccx_scrape_view_failed" && value !== 0),
    [],
  );
  for (const name of ["ccx_build_info", "ccx_pool_connections", "nodejs_eventloop_lag_seconds"])
    assert.ok(
      samples.some((sample) => sample.name === name),
      name,
    );

  const views = await scene.rows(
    "select c.relname as name from pg_class c where c.relname like 'metrics\\_%' and c.relkind = 'v'",
  );
  for (const { name } of views.filter((view) => view.name !== "metrics_replication_slot"))
    assert.ok(
      samples.some((sample) => sample.name.startsWith(`ccx_${String(name).slice(8)}_`)),
      String(name),
    );
  const ours = samples.map(({ name }) => name).filter((name) => name.startsWith("ccx_"));
  const page = await readFile(path.join(root, "docs/reference/metrics.md"), "utf8");
  const unmentioned = new Set(ours.map((name) => name.replace(/_(bucket|sum|count)$/, "")));
  assert.deepEqual(
    [...unmentioned].filter((name) => !page.includes(`\`${name}\``)),
    [],
    "docs/reference/metrics.md has to mention them",
  );
  const exported = new Set([...ours, ...unmentioned, "ccx_replication_slot_active"]);
  exported.add("ccx_replication_slot_retained_bytes");
  exported.add("ccx_content_held_load_seconds"); // absent unless a load is held
  assert.deepEqual(
    [...page.matchAll(/^\| `(ccx_\w+)`/gm)]
      .map(([, name = ""]) => name)
      .filter((name) => !exported.has(name)),
    [],
    "docs/reference/metrics.md mentions what is not exported",
  );
  if (promtool) {
    const checked = spawnSync(promtool, ["check", "metrics"], { input: text, encoding: "utf8" });
    assert.equal(checked.stderr + checked.stdout, "");
    assert.equal(checked.status, 0);
  }

  assert.doesNotMatch(text, /trace_id|# EOF/, "plain text has no place for exemplars");
  const open = await fetch(`${base}/metrics`, {
    headers: { accept: "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4" },
  });
  assert.match(open.headers.get("content-type") ?? "", /^application\/openmetrics-text; version=1\.0\.0/);
  const lines = (await open.text()).split("\n");
  assert.deepEqual(lines.slice(-2), ["# EOF", ""]);
  assert.ok(!lines.slice(0, -1).includes(""), "no line is empty");
  assert.ok(lines.includes("# TYPE ccx_ingest_messages counter"));
  assert.ok(lines.includes('ccx_ingest_messages_total{stream="results",outcome="stored"} 1'));
  const withExemplar = lines.filter((line) => line.includes(" # {"));
  assert.equal(withExemplar.length, 1);
  assert.match(
    withExemplar[0] ?? "",
    new RegExp(
      `^ccx_deliver_seen_to_notified_seconds_bucket\\{le="[\\d.]+",target="notifications backend"\\} 1 # \\{trace_id="${traceId}"\\} [\\d.]+ [\\d.]+$`,
    ),
  );
  assert.match(await scrape(), /^# TYPE ccx_ingest_messages_total counter$/m, "plain text stays what it was");

  const ready = await health("readyz");
  assert.deepEqual([ready.status, failing(ready)], [200, []]);
  assert.deepEqual(
    ready.checks.map(({ check }) => check),
    ["database", "broker", "migration", "content"],
  );
  assert.deepEqual((await health("livez")).status, 200);
  const version = (await (await fetch(`${base}/version`)).json()) as Record<string, unknown>;
  assert.deepEqual(version.roles, ["analyze", "consume", "work", "serve"]);
  assert.equal((await fetch(`${base}/nothing`)).status, 404);
  await scene.pool.query("update rule_content set validity = tstzrange(lower(validity), now())");
  const without = await health("readyz");
  assert.deepEqual([without.status, failing(without)], [503, ["content"]]);

  const other = scene.start("work", { env: { CCX_HTTP_PORT: port } });
  assert.equal((await other.ends()).code, 1);
  assert.match(other.stderr, /^ccx: CCX_HTTP_PORT and CCX_HTTP_HOST .* EADDRINUSE/);
  await service.stop();
});

test(
  "promtool finds nothing to complain about",
  { skip: !promtool && "there is no promtool (Debian package prometheus): the scenario above goes without" },
  () => assert.ok(promtool),
);

test("the views and what is collected of them agree", async () => {
  await database.pool.query(
    "insert into consumer_offset (topic, partition, next_offset) values ('a\"b', 3, 17)",
  );
  const { rows } = await database.pool.query(
    "select name, help, labels, value from ccx.collect_metrics() where name !~ 'seconds|sessions|bytes|age$'",
  );
  const of = (name: string) => rows.filter((row) => row.name === `ccx_${name}`);
  assert.deepEqual(of("consumer_next_offset"), [
    {
      name: "ccx_consumer_next_offset",
      help: "first offset that is not stored yet",
      labels: { topic: 'a"b', partition: "3" },
      value: 17,
    },
  ]);
  for (const [view, column, label] of [
    ["outbox", "waiting_messages", "target"],
    ["rejected", "last_hour_messages", "reason"],
    ["queue", "ready_jobs", "task"],
    ["retention", "stored_partitions", "parent"],
    ["table", "live_rows", "relation"],
  ] as const) {
    const asked = await database.pool.query(
      `select ${label} as label, ${column} as value from metrics_${view}`,
    );
    const pairs = (all: { label: string; value: number }[]) =>
      all.map((row) => `${row.label} ${row.value}`).toSorted();
    const collected = of(`${view}_${column}`).map((row) => ({ label: row.labels[label], value: row.value }));
    assert.ok(collected.length > 1, view);
    assert.deepEqual(pairs(collected), pairs(asked.rows), view);
  }
});

test("every column of a view of metrics is a label (text) or a number that says its unit", async () => {
  const { rows } = await database.pool.query(
    `select c.relname || '.' || a.attname as column, format_type(a.atttypid, null) as type
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
     where c.relname like 'metrics\\_%' and c.relkind = 'v'`,
  );
  assert.ok(rows.length > 40);
  assert.deepEqual(
    rows.filter(({ type }) => !["text", "double precision"].includes(type)),
    [],
  );
  assert.deepEqual(
    rows.filter(({ column }) => /(_ms|_minutes|_hours|_kb|_mb|_total|_count|_sum|_bucket)$/.test(column)),
    [],
  );
});

test("a view that cannot be read is named, and keeps no other away", async () => {
  await using own = await openDatabase();
  const role = `reader_of_little_${process.pid}`; // roles belong to the server
  await own.pool.query(`create role ${role}`);
  const client = await own.pool.connect();
  try {
    await client.query(`grant usage on schema public, ccx to ${role}`);
    await client.query(`grant select on all tables in schema public to ${role}`);
    await client.query(`revoke select on consumer_offset from ${role}`);
    await client.query(`set role ${role}`);
    const { rows } = await client.query("select name, labels, value from ccx.collect_metrics()");
    const failed = rows.filter(({ name, value }) => name === "ccx_scrape_view_failed" && value === 1);
    const views = failed.map(({ labels }) => labels.view);
    assert.ok(views.includes("metrics_consumer") && views.includes("metrics_reports"), views.join());
    assert.ok(!views.includes("metrics_outbox"), views.join());
    assert.ok(rows.some(({ name }) => name === "ccx_outbox_waiting_messages"));
  } finally {
    await client.query("reset role");
    await client.query(`drop owned by ${role}`);
    await client.query(`drop role ${role}`);
    client.release();
  }
});

test("a check that hangs has failed, and the others are still heard", async () => {
  const report = await examine(
    {
      well: () => "well",
      hangs: () => new Promise<string>(() => undefined),
      fails: () => Promise.reject(new Error("no route")),
    },
    20,
  );
  assert.equal(report.ok, false);
  assert.deepEqual(report.checks, [
    { check: "well", ok: true, detail: "well" },
    { check: "hangs", ok: false, detail: "no answer within 20 ms" },
    { check: "fails", ok: false, detail: "no route" },
  ]);
});

test("a consumer that stands still is to be restarted, unless it waits for a server", () => {
  assert.equal(requireProgress(undefined, true), "has not begun yet");
  assert.equal(requireProgress(299, true), "last progress 299 s ago");
  assert.throws(() => requireProgress(301, true), /though the database and the brokers answer/);
  assert.match(requireProgress(301, false), /do not answer$/);
});
