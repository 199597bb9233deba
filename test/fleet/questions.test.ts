import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../dev/samples/random.ts";
import { bucketOf } from "../../src/cell/bucket_of.ts";
import { initFleet } from "../../src/db/init_fleet.ts";
import { createLogger } from "../../src/log.ts";
import { aCluster, aMessage, decideDue, ingest, loadContent, rows, value } from "../support/builders.ts";
import { aFeed, attachCell, openCells, openFleet, rules } from "../support/cells.ts";
import { openDatabase, type TestDatabase } from "../support/database.ts";
import { makeRoles, openLogins } from "../support/role_logins.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/until.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const at = "2026-03-01T12:00:00Z";

type Cell = TestDatabase & AsyncDisposable;

/** So many cells, and a fleet database that knows them; all are gone with `owned`. */
async function openAll(owned: AsyncDisposableStack, count: number) {
  const cells = (await openCells(count, seeded(seed))) as [Cell, Cell, ...Cell[]];
  for (const cell of cells) owned.use(cell);
  return { cells, fleet: owned.use(await openFleet(count > 1 ? cells : [])) };
}

const proxied = async (owned: AsyncDisposableStack, { url }: TestDatabase) =>
  owned.use(await startTcpProxy({ host: new URL(url).hostname, port: Number(new URL(url).port) }));

const plan = async ({ pool }: TestDatabase, sql: string) =>
  (await rows(pool, `explain (analyze, verbose, costs off, timing off, summary off) ${sql}`))
    .map((row) => String(row["QUERY PLAN"]))
    .join("\n");

async function states({ pool }: TestDatabase, within = "0") {
  const client = await pool.connect();
  try {
    await client.query(`set statement_timeout = '${within}'`);
    const found = await client.query("select cell, state, detail from fleet.status()");
    return Object.fromEntries(found.rows.map((row) => [row.cell, row]));
  } finally {
    client.release(true);
  }
}

test(`what a fleet answers is what its cells answer, and what one database would (SEED=${seed})`, async () => {
  await using owned = new AsyncDisposableStack();
  const { cells, fleet } = await openAll(owned, 3);
  const one = owned.use(await openDatabase());
  for (const { pool } of [one, ...cells]) await loadContent(pool, rules, at);
  for (const { at, partition, messages } of aFeed(seeded(seed)))
    for (const { pool } of [one, ...cells]) {
      await ingest(pool, messages, { at, partition });
      await decideDue(pool, at);
    }
  const decisions = `target, org_id, cluster, component, error_key, decision, reasons, occurrence, issue_state`;
  const ledger = `target, i.org_id, i.cluster, component, error_key, n.occurrence, notified_at`;
  const count =
    "select target, decision, reasons, count(*)::bigint from explain_notification group by 1, 2, 3";
  const questions = [
    [`select ${decisions} from explain_notification`, `select ${decisions} from fleet.explain_notification`],
    [count, "select target, decision, reasons, decisions from fleet.decision_count"],
    [
      `select ${ledger.replace("target", "t.name")} from notified_issue n join issue i on i.id = n.issue_id
         join rule r on r.id = i.rule_id join event_targets t on t.id = n.target_id`,
      `select ${ledger} from fleet.notified i cross join lateral (select i.occurrence) n`,
    ],
    [
      "select org_id, cluster, updated_at from latest_report",
      "select org_id, cluster, updated_at from fleet.cluster",
    ],
  ];
  const texts = async ({ pool }: TestDatabase, sql: string) =>
    (await rows(pool, `select q::text as row from (${sql}) q`)).map(({ row }) => String(row)).sort();
  for (const [here = "", there = ""] of questions) {
    const expected = await texts(one, here);
    assert.ok(expected.length > 1, here);
    assert.deepEqual(await texts(fleet, there), expected, there);
  }
  assert.deepEqual(await rows(fleet.pool, "select * from fleet.drift"), []);

  const clusters = (await rows(one.pool, "select distinct cluster from issue")).map(({ cluster }) => cluster);
  for (const cluster of clusters.slice(0, 5))
    assert.deepEqual(
      await texts(fleet, `select ${decisions} from fleet.explain_cluster('${cluster}')`),
      await texts(one, `select ${decisions} from explain_notification where cluster = '${cluster}'`),
    );
});

test("a summary is grouped in the cells, and a question about one cluster asks one cell", async () => {
  await using owned = new AsyncDisposableStack();
  const { fleet } = await openAll(owned, 2);
  const summary = await plan(fleet, "select * from fleet.decision_count");
  const remote = summary.split("\n").filter((line) => line.includes("Remote SQL"));
  assert.equal(remote.length, 2, summary);
  for (const line of remote) assert.match(line, /count\(\*\).* GROUP BY /, summary);
  assert.match(summary, /Async Foreign Scan/);

  for (const sql of [
    `select * from fleet.explain_cluster('${aCluster()}')`,
    `select * from fleet.explain_notification where cluster = 'x' and cell = fleet.cell_of('x')`,
  ]) {
    const single = await plan(fleet, sql);
    assert.match(single, /Subplans Removed: 1/);
    assert.match(single, /Remote SQL: .*\(\(cluster = /, "the cell looks by its index");
  }
  await fleet.pool.query("select fleet.detach('cell-1')");
  const bucket = Number(
    await value(
      fleet.pool,
      "select min(bucket) from generate_series(0, 255) bucket where not exists (select from fleet.cell where buckets @> bucket)",
    ),
  );
  const elsewhere = Array.from({ length: 2_000 }, (_, nth) => String(nth)).find(
    (it) => bucketOf(it) === bucket,
  );
  await assert.rejects(rows(fleet.pool, "select * from fleet.explain_cluster($1)", [elsewhere]), {
    code: "NTZ10",
  });
});

test("a cell that is away is named, and the others are asked as before", async () => {
  await using owned = new AsyncDisposableStack();
  const { cells, fleet } = await openAll(owned, 2);
  const [first, second] = cells;
  const proxy = await proxied(owned, second);
  await attachCell(fleet, "cell-1", second.url, { port: proxy.port });
  assert.deepEqual(Object.keys(await states(fleet)), ["cell-0", "cell-1"]);

  await proxy.refuse();
  const refused = await states(fleet);
  assert.equal(refused["cell-1"]?.state, "away");
  assert.match(String(refused["cell-1"]?.detail), /could not connect to server "cell_cell-1"/);
  assert.notEqual(refused["cell-0"]?.state, "away");
  await assert.rejects(
    rows(fleet.pool, "select * from fleet.cluster"),
    /could not connect to server "cell_cell-1"/,
  );
  assert.deepEqual(await rows(fleet.pool, "select * from fleet.cluster where cell = 'cell-0'"), []);
  assert.deepEqual(await rows(fleet.pool, "select * from fleet.bucket_fault"), []);
  // nothing of the fleet is on the way of a message
  await loadContent(first.pool, ["disk"]);
  const [mine = ""] = Array.from({ length: 50 }, () => aCluster()).filter((it) => bucketOf(it) !== 1);
  const stored = await ingest(first.pool, [aMessage(0, mine, at, ["disk"])], { at });
  assert.equal(Number(stored.stored) + Number(stored.elsewhere), 1);

  await proxy.heal();
  assert.notEqual((await states(fleet))["cell-1"]?.state, "away");
  proxy.hang();
  const hung = await states(fleet, "5s");
  assert.deepEqual([hung["cell-1"]?.state, hung["cell-1"]?.detail], ["away", "it did not answer in time"]);
  assert.notEqual(hung["cell-0"]?.state, "away");
  // the time of a statement runs once
  await fleet.pool.query("select fleet.detach('cell-1')");
  await second.pool.query("update cell set name = 'a'");
  await proxy.refuse();
  const later = await proxied(owned, second);
  await attachCell(fleet, "a", second.url, { port: later.port });
  later.hang();
  const both = await states(fleet, "1s");
  assert.equal(both.a?.detail, "it did not answer in time");
  assert.equal(both["cell-0"]?.detail, "not asked: the time was up");
});

test("a question that a person cancels ends, and is no cell that is away", async () => {
  await using owned = new AsyncDisposableStack();
  const { fleet, cells } = await openAll(owned, 1);
  const cell = cells[0];
  await cell.pool.query("update cell set name = 'slow'");
  const proxy = await proxied(owned, cell);
  await attachCell(fleet, "slow", cell.url, { port: proxy.port });
  proxy.hang();
  const asked = assert.rejects(rows(fleet.pool, "select * from fleet.status()"), { code: "57014" });
  const cancel = `select pg_cancel_backend(pid) from pg_stat_activity
    where datname = current_database() and wait_event = 'PostgresFdwConnect'`;
  await until("the question waits for the cell", async () => (await rows(fleet.pool, cancel)).length > 0);
  await asked;
});

test("buckets that no cell has or that two have are seen, whatever was known when they were attached", async () => {
  await using owned = new AsyncDisposableStack();
  const { cells, fleet } = await openAll(owned, 2);
  const faults = () => rows(fleet.pool, "select fault, buckets, cells from fleet.bucket_fault");
  assert.deepEqual(await faults(), []);
  const [first, second] = cells;
  await first.pool.query("update cell set buckets = '{[0,130)}'");
  await second.pool.query("update cell set buckets = '{[128,250)}'");
  assert.deepEqual(await faults(), [
    { fault: "missing", buckets: "{[250,256)}", cells: [] },
    { fault: "twice", buckets: "{[128,130)}", cells: ["cell-0", "cell-1"] },
  ]);
  assert.match(String((await states(fleet))["cell-0"]?.detail), /its buckets have changed: attach it again/);
  await second.pool.query("update cell set buckets = '{[130,256)}'");
  await fleet.pool.query("select fleet.detach('cell-1')");
  await attachCell(fleet, "cell-0", first.url);
  await attachCell(fleet, "cell-1", second.url);
  assert.deepEqual(await faults(), []);
  assert.equal(
    await value(fleet.pool, "select buckets from fleet.cell where name = 'cell-1'"),
    "{[130,256)}",
  );
});

test("a database is attached under its own name, with buckets that no other attached cell has", async () => {
  await using owned = new AsyncDisposableStack();
  const { cells, fleet } = await openAll(owned, 2);
  const [first, second] = cells;
  const before = await rows(fleet.pool, "select name, dbname from fleet.cell order by 1");
  await assert.rejects(attachCell(fleet, "other", first.url), { code: "NTZ08" });
  await assert.rejects(attachCell(fleet, "cell-0", second.url), { code: "NTZ08" });
  await assert.rejects(attachCell(fleet, "Cell", first.url), { code: "NTZ01" });
  await second.pool.query("update cell set name = 'copy'");
  await assert.rejects(attachCell(fleet, "copy", second.url), { code: "NTZ09" });
  await assert.rejects(fleet.pool.query("select fleet.detach('nobody')"), { code: "NTZ07" });
  assert.deepEqual(await rows(fleet.pool, "select name, dbname from fleet.cell order by 1"), before);
  assert.match(String((await states(fleet))["cell-1"]?.detail), /another cell now/);
});

test("a fleet only reads, as a user that may see every organization", async () => {
  await using owned = new AsyncDisposableStack();
  const cell = owned.use(await openDatabase());
  await cell.pool.query("update cell set name = 'only'");
  await makeRoles(cell.url);
  const logins = owned.use(await openLogins(cell.url));
  await loadContent(cell.pool, ["disk"], at);
  await ingest(cell.pool, [aMessage(0, aCluster(), at, ["disk"])], { at });
  const { name } = await logins.login("ccx_reader", "ccx_metrics");
  const fleet = owned.use(await openFleet());
  await attachCell(fleet, "only", cell.url, { login: name, settingsLogin: undefined });
  const clusters = () => value(fleet.pool, "select count(*) from fleet.cluster");
  assert.equal(await clusters(), "0", "it sees the organizations that organization_reader names");
  await cell.pool.query("insert into organization_reader (reader, org_id) values ($1, null)", [name]);
  assert.equal(await clusters(), "1");
  for (const { table } of await rows(
    fleet.pool,
    "select relname as table from pg_class where relnamespace = 'fleet'::regnamespace and relkind = 'p' and relname <> 'applied'",
  ))
    await rows(fleet.pool, `select * from fleet.${table}`);
  // also where the user could
  await attachCell(fleet, "only", cell.url, { settingsLogin: undefined });
  await fleet.pool.query(
    `create foreign table organization_reader (reader name, org_id bigint) server cell_only options (schema_name 'public')`,
  );
  await assert.rejects(fleet.pool.query("delete from organization_reader"), { code: "25006" });
});

test("cells of two releases answer the same questions, whichever is ahead", async () => {
  await using owned = new AsyncDisposableStack();
  const { cells, fleet } = await openAll(owned, 2);
  const [first, second] = cells;
  const definition = await value(first.pool, "select pg_get_viewdef('fleet.cluster')");
  const ahead = `create or replace view fleet.cluster with (security_invoker = true) as
    select c.*, 'more' as newer from (${String(definition).replace(";", "")}) c`;
  const behind = `drop view fleet.cluster; create view fleet.cluster as ${definition}`;
  const ask = () => rows(fleet.pool, "select cell, count(*) from fleet.cluster group by cell");
  for (const [newer, older] of [
    [first, second],
    [second, first],
  ] as const) {
    await newer.pool.query(ahead);
    await older.pool.query(behind);
    assert.deepEqual(await rows(fleet.pool, "select * from fleet.cluster"), []);
    assert.deepEqual(await ask(), []);
  }
  // the fleet database before its cells: what names the new column fails where it is missing, and nothing else
  await fleet.pool.query("alter table fleet.cluster add column newer text");
  assert.deepEqual(await ask(), []);
  assert.deepEqual(await rows(fleet.pool, "select newer from fleet.cluster where cell = 'cell-1'"), []);
  await assert.rejects(rows(fleet.pool, "select newer from fleet.cluster"), /column "newer" does not exist/);
  assert.equal((await states(fleet))["cell-0"]?.detail, "its release is older and lacks fleet.cluster.newer");
  assert.equal((await states(fleet))["cell-1"]?.detail, null);
});

test("a fleet database is made once, stays as it is, and is no cell", async () => {
  await using owned = new AsyncDisposableStack();
  const { cells, fleet } = await openAll(owned, 2);
  const log = createLogger("silent");
  const tables = () =>
    rows(fleet.pool, "select inhrelid::regclass::text as name from pg_inherits order by 1");
  const before = await tables();
  assert.deepEqual(await initFleet(fleet.pool, log), { loaded: [], dropped: [] });
  await fleet.pool.query(`drop foreign table "cell_cell-0".cluster`);
  await initFleet(fleet.pool, log);
  assert.deepEqual(await tables(), before, "what a cell lacks is made");
  await assert.rejects(initFleet(cells[0].pool, log), /has reports of its own/);
  const bare = await rows(
    fleet.pool,
    `select c.oid::regclass::text as name from pg_class c
     where c.relnamespace = 'fleet'::regnamespace and c.relkind in ('r', 'p', 'v') and obj_description(c.oid, 'pg_class') is null
     union all
     select p.oid::regprocedure::text from pg_proc p
     where p.pronamespace = 'fleet'::regnamespace and obj_description(p.oid, 'pg_proc') is null`,
  );
  assert.deepEqual(bare, [], "everything has a comment");
});
