import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { bucketOf } from "../../src/cell/bucket_of.ts";
import { adoptCell } from "../../src/cell/sql.ts";
import { kafkaConfigurationError } from "../../src/kafka/kafka_errors.ts";
import { ownAssigner } from "../../src/kafka/own_group.ts";
import {
  aCluster,
  aMessage,
  aRejected,
  decideDue,
  ingest,
  loadContent,
  rows,
  value,
} from "../support/builders.ts";
import { runCcx } from "../support/command.ts";
import { onServer, openDatabase, rolledBack, type TestDatabase, testDatabase } from "../support/database.ts";
import { openTopics } from "../support/kafka.ts";
import { aReport } from "../support/reports.ts";
import { Service } from "../support/service.ts";
import { testKafka } from "../support/topic.ts";
import { until } from "../support/until.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const nameOf = async ({ pool }: TestDatabase) => value(pool, "select name || buckets::text from cell");

const ledger = `select i.cluster, r.component, n.notified_at, m.message_id
  from notified_issue n join notification m on m.id = n.notification_id
  join issue i on i.id = n.issue_id join rule r on r.id = i.rule_id order by 1, 2`;

/** Copies a database that nobody uses, adopts both, and returns both; `uploads` stay with the first. */
async function split(one: TestDatabase, owned: AsyncDisposableStack): Promise<[TestDatabase, TestDatabase]> {
  const name = new URL(one.url).pathname.slice(1);
  await one.pool.end();
  const [first, second] = [
    owned.use(await openDatabase({ template: name })),
    owned.use(await openDatabase({ template: name })),
  ];
  await adoptCell(first.pool, "one", "{[0,128)}", true);
  await adoptCell(second.pool, "two", "{[128,256)}", false);
  return [first, second];
}

test("after a split each cluster is in one cell, goes on there, and is notified of nothing twice", async () => {
  await using owned = new AsyncDisposableStack();
  const name = `ccx_cells_${process.pid}`;
  const whole = await openDatabase({ name });
  const clusters = Array.from({ length: 40 }, () => aCluster());
  const messages = clusters.map((cluster, nth) => aMessage(nth, cluster, at, ["disk", "net"]));
  await loadContent(whole.pool, ["disk", "net", "cpu"]);
  await ingest(whole.pool, [...messages, aRejected(40, "empty")], { at, partition: 200 });
  await decideDue(whole.pool, at);
  await whole.pool.query(
    "select add_silence(ends_at => now() + '1 day', reason => 'for the test', cluster => c) from unnest($1::text[]) c",
    [clusters],
  );
  const before = await rows(whole.pool, ledger);
  assert.ok(before.length > 40);
  const prefix = await value(whole.pool, "select prefix from ccx.archive_identity");
  owned.defer(async () => {
    await onServer(`drop database ${name}`);
  });
  const cells = await split(whole, owned);

  const after = (await Promise.all(cells.map(({ pool }) => rows(pool, ledger)))).flat();
  const byCluster = (all: typeof after) => all.map((row) => JSON.stringify(row)).sort();
  assert.deepEqual(byCluster(after), byCluster(before));
  const kept = await Promise.all(
    cells.map(({ pool }) => value(pool, "select prefix from ccx.archive_identity")),
  );
  assert.equal(kept[0], prefix, "the cell with the uploads knows its objects");
  assert.notEqual(kept[1], prefix, "the other one takes none of them for its own");

  for (const [nth, { pool }] of cells.entries()) {
    assert.deepEqual(await rows(pool, "select * from drift"), []);
    const tables = await rows(
      pool,
      `select p.name from ccx.cluster_table p where p.cluster is not null and not p.by_issue
         and p.name not in ('upload_message')`,
    );
    for (const { name } of tables) {
      const column = await value(pool, "select cluster from ccx.cluster_table where name = $1", [name]);
      const foreign = await value(pool, `select count(*) from ${name} t where not owns(${column})`);
      assert.equal(foreign, "0", `${name} of cell ${nth}`);
    }
    assert.equal(await value(pool, "select count(*) from rejected_message"), nth === 0 ? "0" : "1");
    // the last portion again, and the next one
    const again = await ingest(pool, messages, { at, partition: 200 });
    assert.deepEqual([again.skipped, again.stored], [40, 0]);
    const next = messages.map((message, nth) =>
      aMessage(41 + nth, String(message.cluster), "2026-03-01T13:00:00Z", ["disk", "net", "cpu"]),
    );
    await ingest(pool, next, { at: "2026-03-01T13:00:00Z", partition: 200 });
    await decideDue(pool, "2026-03-01T13:00:00Z");
    assert.deepEqual(await rows(pool, "select * from drift"), []);
  }
  const late = (await Promise.all(cells.map(({ pool }) => rows(pool, ledger)))).flat();
  const times = new Set(late.map(({ cluster, component }) => `${cluster} ${component}`));
  assert.equal(late.length, times.size, "none twice");
  assert.equal(new Set(late.map(({ cluster }) => cluster)).size, clusters.length, "none missing");
});

test("adopting is all or nothing", async () => {
  const client = await database.pool.connect();
  try {
    await client.query("begin");
    await adoptCell(client, "one", "{[0,1)}", false);
    await client.query("rollback");
  } finally {
    client.release();
  }
  assert.equal(await nameOf(database), "{[0,256)}");
});

test("whoever is killed while a database is adopted leaves it as it was", async () => {
  await using copy = await openDatabase();
  const clusters = Array.from({ length: 20 }, () => aCluster());
  await ingest(
    copy.pool,
    clusters.map((cluster, nth) => aMessage(nth, cluster, at, ["disk"])),
    { at },
  );
  const counts = () =>
    rows(
      copy.pool,
      "select (select count(*) from issue), (select count(*) from new_reports), name from cell",
    );
  const before = await counts();
  const holder = await copy.pool.connect();
  const adopting = new pg.Client({ connectionString: copy.url });
  await adopting.connect();
  adopting.on("error", () => {});
  try {
    await holder.query("begin; lock table archive in share mode");
    const killed = assert.rejects(adoptCell(adopting as never, "one", "{[0,1)}", false));
    const kill = `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query ~ 'adopt_cell'`;
    await until("it waits in the middle", async () => (await rows(copy.pool, kill)).length > 0);
    await killed;
  } finally {
    await holder.query("rollback");
    holder.release();
    await adopting.end().catch(() => {});
  }
  assert.deepEqual(await counts(), before);
  assert.equal(await nameOf(copy), "{[0,256)}");
  assert.equal((await adoptCell(copy.pool, "one", "{[0,1)}", false)).length > 0, true);
});

test("a cell keeps only buckets that it has, under a name that is one", () =>
  rolledBack(database.pool, async (db) => {
    await adoptCell(db, "one", "{[0,128)}", false);
    const refusals: [string, string, string][] = [
      ["one", "{[100,129)}", "NTZ02"],
      ["one", "{}", "NTZ02"],
      ["", "{[0,1)}", "NTZ01"],
      ["One", "{[0,1)}", "NTZ01"],
    ];
    for (const [name, buckets, code] of refusals) {
      await db.query("savepoint s");
      await assert.rejects(adoptCell(db, name, buckets, false), { code }, `${name} ${buckets}`);
      await db.query("rollback to s");
    }
    await adoptCell(db, "smaller", "{[0,64)}", false);
    assert.equal(await value(db, "select name || buckets::text from cell"), "smaller{[0,64)}");
  }));

test("a database that a service uses is not adopted", async () => {
  const service = new pg.Client({ connectionString: database.url, application_name: "ccx consume+work" });
  await service.connect();
  try {
    await assert.rejects(adoptCell(database.pool, "one", "{[0,1)}", false), { code: "NTZ03" });
  } finally {
    await service.end();
  }
  assert.equal(await nameOf(database), "{[0,256)}");
});

test("ccx cell shows and adopts, and refuses lists that are none", async () => {
  await using copy = await openDatabase();
  const ccx = (...args: string[]) => runCcx(["cell", ...args], { DATABASE_URL: copy.url });
  for (const list of ["", "0-256", "7-3", "a", "1;2", "-1", "0,,1"]) {
    const { code, stderr } = await ccx("adopt", "one", `--buckets=${list}`, "--yes");
    assert.equal(code, 1, list);
    assert.match(stderr, /--buckets has to be a list/);
  }
  assert.match((await ccx("adopt", "one", "--buckets", "0-9")).stderr, /Nothing was deleted/);
  assert.match((await ccx("adopt", "One", "--buckets", "0-9", "--yes")).stderr, /a cell needs a name/);
  assert.equal((await ccx("adopt", "one", "--buckets", "0-63,200", "--yes")).code, 0);
  const { code, stdout } = await ccx("show", "--json");
  assert.equal(code, 0);
  const [{ name, buckets }] = JSON.parse(stdout);
  assert.deepEqual([name, buckets], ["one", "{[0,64),[200,201)}"]);
  assert.match(
    (await ccx("adopt", "one", "--buckets", "64", "--yes")).stderr,
    /only keep buckets that it has/,
  );
});

test("with another CCX_CELL than the database's a service ends before it reads or sends", async () => {
  await using owned = new AsyncDisposableStack();
  const copy = owned.use(await openDatabase());
  await adoptCell(copy.pool, "one", "{[0,128)}", false);
  const env = { DATABASE_URL: copy.url, KAFKA_BROKERS: process.env.TEST_KAFKA_BROKERS };
  for (const [command, cell] of [
    ["consume", undefined],
    ["work", "two"],
  ] as const) {
    const service = new Service(command, { ...env, CCX_CELL: cell });
    owned.defer(async () => void (await service.kill()));
    assert.equal((await service.ends()).code, 1);
    assert.match(service.stderr, /CCX_CELL is ".*", but the database of DATABASE_URL is the cell "one"/);
    assert.equal(await value(copy.pool, "select count(*) from worker"), "0");
  }
});

test("a copy of a cell that joins its consumer group ends before it reads, and the cell goes on", async () => {
  await using owned = new AsyncDisposableStack();
  const cells = [owned.use(await openDatabase()), owned.use(await openDatabase())] as const;
  for (const { pool } of cells) await adoptCell(pool, "one", "{[0,256)}", true);
  const topics = owned.use(await openTopics(2));
  const start = (url: string) => {
    const service = new Service("consume", {
      DATABASE_URL: url,
      KAFKA_BROKERS: topics.brokers,
      CCX_RESULTS_TOPIC: topics.results,
      CCX_CONSUMER_GROUP: topics.group,
      CCX_CELL: "one",
    });
    owned.defer(async () => void (await service.kill()));
    return service;
  };
  await topics.produce([aReport(aCluster(), ["tutorial"])]);
  const [cell, copy] = cells;
  const first = start(cell.url);
  await first.says("ingested");
  const second = start(copy.url);
  assert.equal((await second.ends()).code, 1);
  assert.match(second.stderr, /^ccx: The consumer group ".*\.one" is used by another database/m);
  assert.equal(await value(copy.pool, "select count(*) from consumer_offset"), "0");
  const same = start(cell.url);
  await same.says("running");
  await topics.produce(Array.from({ length: 10 }, () => aReport(aCluster(), ["tutorial"])));
  const stored = async () => (await value(cell.pool, "select count(*) from new_reports")) === "11";
  await until("all are stored", stored);
  await same.stop();
  await first.stop();
});

test("of two databases that join a group at the same moment, the one that shares out gives up", async () => {
  const member = (identity: string, memberId: string) => {
    const made = ownAssigner("g", identity)({ cluster: { findTopicPartitionMetadata: () => [] } } as never);
    return { made, as: { memberId, memberMetadata: made.protocol({ topics: ["t"] }).metadata } };
  };
  const [a, b, other] = [member("1/1", "a"), member("1/1", "b"), member("1/2", "c")];
  assert.ok(await a.made.assign({ members: [a.as, b.as], topics: ["t"] }));
  await assert.rejects(
    a.made.assign({ members: [a.as, other.as], topics: ["t"] }),
    (error) => kafkaConfigurationError(error) === error,
  );
});

test("two consumers, one topic: each cell keeps its share, both offsets reach the end", async () => {
  await using owned = new AsyncDisposableStack();
  const cells = [owned.use(await openDatabase()), owned.use(await openDatabase())];
  await adoptCell(cells[0]?.pool as never, "one", "{[0,128)}", true);
  await adoptCell(cells[1]?.pool as never, "two", "{[128,256)}", false);
  const topics = owned.use(await openTopics(1));
  const clusters = Array.from({ length: 30 }, () => aCluster());
  await topics.produce([...clusters.map((cluster) => aReport(cluster, ["tutorial"])), "no report"]);
  const services = cells.map(({ url }, nth) => {
    const service = new Service("consume", {
      DATABASE_URL: url,
      KAFKA_BROKERS: topics.brokers,
      CCX_RESULTS_TOPIC: topics.results,
      CCX_CONSUMER_GROUP: topics.group,
      CCX_CELL: nth === 0 ? "one" : "two",
    });
    owned.defer(async () => void (await service.kill()));
    return service;
  });
  for (const [nth, service] of services.entries()) {
    await service.says("ingested");
    const pool = cells[nth]?.pool as TestDatabase["pool"];
    const mine = clusters.filter((cluster) => bucketOf(cluster) < 128 === (nth === 0));
    const stored = await rows(pool, "select cluster from new_reports order by 1");
    assert.deepEqual(
      stored.map(({ cluster }) => cluster),
      mine.sort(),
    );
    assert.equal(await value(pool, "select next_offset from consumer_offset"), "31");
    assert.equal(await value(pool, "select count(*) from rejected_message"), nth === 0 ? "1" : "0");
    assert.equal(service.said("ingested")[0]?.elsewhere, 30 - mine.length + (nth === 0 ? 0 : 1));
    await service.stop();
  }
  const admin = testKafka().admin();
  await admin.connect();
  const groups = (await admin.listGroups()).groups.map(({ groupId }) => groupId);
  await admin.disconnect();
  for (const cell of ["one", "two"]) assert.ok(groups.includes(`${topics.group}.${cell}`), cell);
  assert.ok(!groups.includes(topics.group));
});
