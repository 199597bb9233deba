import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pool, PoolClient } from "pg";
import { createLogger } from "../../src/log.ts";
import { retain as retainAll } from "../../src/retain/retain.ts";
import {
  aCluster,
  addReport,
  claimOne,
  decideDue,
  decisions,
  delivered,
  failed,
  loadContent,
  notificationsBackend,
  reportAndDecide,
  rows,
  setPolicy,
  settle,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { refused, twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
/** What stays in it disturbs nobody. */
const elsewhere = testDatabase();
/** Reports of this day are nine days old at `at`. */
const day = "2026-03-01";
const at = "2026-03-10T00:00:00Z";
const partition = "new_reports_20260301";

/** Takes every step; says what became of this table's days. */
async function retain(db: PoolClient, when = at, parent = "new_reports"): Promise<string[]> {
  const steps: string[] = [];
  for (;;) {
    const [step] = await rows(db, "select * from retain($1)", [when]);
    if (!step) return steps.filter((text) => text.includes(` ${parent}_`));
    steps.push(`${step.action} ${step.name}${step.action === "deleted" ? ` ${step.row_count}` : ""}`);
    assert.ok(steps.length < 100, "it does not end");
  }
}

const ensure = (db: PoolClient, ...days: string[]) =>
  db.query("select ensure_partition('new_reports', day::date) from unnest($1::text[]) day", [days]);
const exists = async (db: PoolClient, table: string) =>
  (await value(db, "select to_regclass($1)", [table])) !== null;

test("a day goes as a whole when it is past, and not an instant before", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await ensure(db, day, "2026-03-02");
    await reportAndDecide(db, cluster, "2026-03-01T23:59:59.999999Z", ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-02T00:00:00Z", ["disk"]);
    // eight days after it ended
    assert.deepEqual(await retain(db, "2026-03-09T23:59:59Z"), []);
    assert.deepEqual(await retain(db), [`detached ${partition}`, `dropped ${partition}_detached`]);
    assert.deepEqual(await rows(db, "select updated_at from new_reports where cluster = $1", [cluster]), [
      { updated_at: "2026-03-02T00:00:00Z" },
    ]);
    assert.deepEqual(await rows(db, "select * from drift"), []);
  }));

test("days are days of UTC, whatever the time zone of the session", () =>
  rolledBack(database.pool, async (db) => {
    await ensure(db, day);
    await db.query("set local timezone = 'Pacific/Kiritimati'");
    assert.deepEqual(await retain(db, "2026-03-09T23:59:59Z"), []);
    await db.query("set local timezone = 'America/St_Johns'");
    assert.equal((await retain(db)).length, 2);
  }));

test("a retention is never shorter than the longest cooldown, spacing or window, in force or planned", () =>
  rolledBack(database.pool, async (db) => {
    await ensure(db, day);
    await refused(db, "NTR02", () => db.query("select set_retention('new_reports', '6 days')"));
    await refused(db, ["NTR01", /no table issue; it knows: new_reports|notification/], () =>
      db.query("select set_retention('issue', '60 days')"),
    );
    await refused(db, ["23514", /retention_keep_check/], async () => {
      await db.query("update retention set keep = '1 hour'");
    });
    for (const setting of ["cooldown", "spacing", "flapping_window"]) {
      await db.query("savepoint before");
      await setPolicy(db, notificationsBackend, { [setting]: "20 days" }, at);
      assert.deepEqual(await retain(db), [], setting);
      assert.equal((await retain(db, "2026-03-22T00:00:00Z")).length, 2, setting);
      await db.query("rollback to savepoint before");
    }
    // until tomorrow, and from tomorrow on
    for (const [now, planned] of [
      ["20 days", "1 day"],
      ["1 day", "20 days"],
    ]) {
      await db.query("savepoint before");
      await setPolicy(db, notificationsBackend, { cooldown: now }, "2026-03-02");
      await setPolicy(db, notificationsBackend, { cooldown: planned }, "2026-03-11");
      assert.equal(await value(db, "select longest_cooldown($1)::text", [at]), "20 days");
      assert.deepEqual(await retain(db), []);
      await db.query("rollback to savepoint before");
    }
    await db.query("select set_retention('new_reports', '30 days')");
    assert.deepEqual(await retain(db), []);
    assert.equal((await retain(db, "2026-04-01T00:00:00Z")).length, 2);
  }));

/** A cluster whose newest report is of the day that is past, and what is to be notified of it. */
async function oldMessage(db: PoolClient, hits = ["disk"]): Promise<string> {
  await ensure(db, day);
  await loadContent(db, ["disk"]);
  const cluster = aCluster();
  await reportAndDecide(db, cluster, "2026-03-01T12:00:00Z", hits);
  return cluster;
}

test("a day is held while a decision is due on one of its reports", () =>
  rolledBack(database.pool, async (db) => {
    await ensure(db, day);
    await addReport(db, aCluster(), "2026-03-01T12:00:00Z", ["disk"]);
    assert.deepEqual(await retain(db), []);
    assert.deepEqual(
      await value(db, "select partition_held_by('new_reports', $1, $2)", [day, at]),
      "a decision is due on one of its reports",
    );
    await decideDue(db, "2026-03-09T12:00:00Z");
    assert.equal((await retain(db)).length, 2);
  }));

test("a day is held while a message about it waits, and as long as it may be redriven", () =>
  rolledBack(database.pool, async (db) => {
    await oldMessage(db);
    assert.deepEqual(await retain(db), []);
    const tried = "2026-03-09T12:00:00Z";
    await settle(db, [failed(await claimOne(db, tried), { permanent: true })], tried);
    assert.deepEqual(await retain(db), [], "dead, but to be redriven");
    // as long as redrive_horizon()
    assert.deepEqual(await retain(db, "2026-03-10T10:59:59Z"), []);
    assert.equal((await retain(db, "2026-03-10T11:00:01Z")).length, 2);
  }));

test("a day is held while a message about an issue that went waits for a report of it", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await oldMessage(db);
    await settle(db, [delivered(await claimOne(db, "2026-03-01T12:01:00Z"))], "2026-03-01T12:02:00Z");
    await setPolicy(
      db,
      notificationsBackend,
      { notify_resolved: true, receiver_knows_resolved: true },
      "2026-03-01T13:00:00Z",
    );
    await ensure(db, "2026-03-09");
    await reportAndDecide(db, cluster, "2026-03-09T12:00:00Z", []);
    assert.equal(await value(db, "select count(*)::integer from notification where state = 'pending'"), 1);
    assert.deepEqual(await retain(db), []);
    await settle(db, [delivered(await claimOne(db, at))], at);
    assert.equal((await retain(db)).length, 2);
  }));

test("what is past goes from the default partition, oldest first, but not what is still needed", () =>
  rolledBack(database.pool, async (db) => {
    const [gone, kept] = [aCluster(), aCluster()];
    await reportAndDecide(db, gone, "1999-12-31T12:00:00Z", ["disk"]);
    await reportAndDecide(db, gone, "2000-01-01T12:00:00Z", ["disk"]);
    await addReport(db, kept, "2000-01-01T12:00:00Z", ["disk"]);
    assert.deepEqual(await retain(db), ["deleted new_reports_default 2"]);
    assert.deepEqual(await rows(db, "select cluster from new_reports_default"), [{ cluster: kept }]);
    assert.deepEqual(await rows(db, "select * from drift"), []);
    await decideDue(db, "2026-03-09T12:00:00Z");
    assert.deepEqual(await retain(db), ["deleted new_reports_default 1"]);
  }));

test("what a message is about stays in the default partition while it waits, and as long as it may be redriven", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await addReport(db, aCluster(), "2000-01-01T12:00:00Z", ["disk"]);
    assert.equal((await decideDue(db, "2026-03-09T11:00:00Z")).notifications, 1);
    assert.deepEqual(await retain(db), []);
    const tried = "2026-03-09T12:00:00Z";
    await settle(db, [failed(await claimOne(db, tried), { permanent: true })], tried);
    assert.deepEqual(await retain(db, "2026-03-10T10:59:59Z"), []);
    assert.deepEqual(await retain(db, "2026-03-10T11:00:01Z"), ["deleted new_reports_default 1"]);
  }));

test("reported loses its days, too", () =>
  rolledBack(database.pool, async (db) => {
    await reportAndDecide(db, aCluster(), "2026-03-01T12:00:00Z", ["unknown"]);
    const names = await rows(db, "select name from partitions where parent = 'reported' and day = $1", [day]);
    assert.deepEqual(names, [{ name: "reported_20260301" }]);
    assert.deepEqual(await retain(db, at, "reported"), [
      "detached reported_20260301",
      "dropped reported_20260301_detached",
    ]);
  }));

test("what a step that was cut off left is dropped by the next one", () =>
  rolledBack(database.pool, async (db) => {
    await ensure(db, day);
    const [step] = await rows(db, "select action, name from retain($1)", [at]);
    assert.deepEqual(step, { action: "detached", name: partition });
    assert.equal(await exists(db, `${partition}_detached`), true);
    assert.deepEqual(
      await rows(db, "select is_attached, is_past, held_by from partitions where name = $1", [
        `${partition}_detached`,
      ]),
      [{ is_attached: false, is_past: true, held_by: null }],
    );
    // a late report of that day finds no partition, and may have a new one
    await ensure(db, day);
    assert.deepEqual(await retain(db), [
      `dropped ${partition}_detached`,
      `detached ${partition}`,
      `dropped ${partition}_detached`,
    ]);
  }));

test("a report older than what is kept makes no day of its own", () =>
  rolledBack(database.pool, async (db) => {
    const element = (offset: number, updated_at: string) => ({
      kafka_offset: offset,
      org_id: 1,
      account_number: 0,
      cluster: aCluster(),
      updated_at,
      report: '{"reports": []}',
    });
    const batch = [element(0, "2026-03-01T23:59:59Z"), element(1, "2026-03-02T00:00:00Z")];
    await rows(db, "select * from ingest('results', 0, $1::jsonb, null, $2)", [JSON.stringify(batch), at]);
    assert.deepEqual([await exists(db, partition), await exists(db, "new_reports_20260302")], [false, true]);
    assert.equal(await value(db, "select count(*)::integer from new_reports_default"), 1);
  }));

test("what is decided is the same before and after", () =>
  rolledBack(database.pool, async (db) => {
    await ensure(db, day, "2026-03-05", "2026-03-09");
    await loadContent(db, ["disk", "dns", "etcd"]);
    const clusters = [aCluster(), aCluster(), aCluster()];
    for (const [nth, cluster] of clusters.entries()) {
      await reportAndDecide(db, cluster, "2026-03-01T12:00:00Z", ["disk", "dns"].slice(nth % 2));
      if (nth > 0) await reportAndDecide(db, cluster, "2026-03-05T12:00:00Z", ["dns", "etcd"]);
      if (nth > 1) await reportAndDecide(db, cluster, "2026-03-09T12:00:00Z", ["disk"]);
    }
    await db.query("update notification set state = 'sent', ended_at = decided_at where state = 'pending'");
    const decided = async () => {
      const all = [];
      for (const cluster of clusters) all.push(await decisions(db, cluster, at));
      return all;
    };
    const before = await decided();
    assert.ok(JSON.stringify(before).includes("cooldown"));
    assert.ok((await retain(db)).length >= 2);
    assert.deepEqual(await decided(), before);
    assert.deepEqual(await rows(db, "select * from drift"), []);
  }));

test("a busy table is left alone after a moment, and nobody waits behind us for longer", () =>
  twoSessions(database.pool, async (reader, other) => {
    await other.query("select ensure_partition('new_reports', $1)", [day]);
    await other.query("commit");
    await reader.query("select count(*) from new_reports");
    await other.query("begin");
    const error = await rows(other, "select * from retain($1)", [at]).catch((error) => error);
    assert.equal(error.code, "55P03");
    await other.query("rollback");
    await reader.query("commit");
    await other.query("begin");
    assert.deepEqual(await rows(other, "select action from retain($1)", [at]), [{ action: "detached" }]);
    await other.query("rollback");
    await other.query("begin");
    await other.query(`drop table ${partition}`);
    await other.query("commit");
  }));

test("a report that comes in while a day is taken out waits for it, and finds its place", () =>
  twoSessions(database.pool, async (retainer, writer) => {
    await retainer.query("select ensure_partition('new_reports', $1)", [day]);
    await retainer.query("commit");
    await retainer.query("begin");
    assert.deepEqual(await rows(retainer, "select action from retain($1)", [at]), [{ action: "detached" }]);
    const cluster = aCluster();
    const written = addReport(writer, cluster, "2026-03-01T12:00:00Z", ["disk"]);
    await waitsForLock(database.pool, writer, written);
    await retainer.query("commit");
    await written;
    assert.equal(
      await value(writer, "select tableoid::regclass::text from new_reports where cluster = $1", [cluster]),
      "new_reports_default",
    );
    await retainer.query("begin");
    assert.deepEqual(await rows(retainer, "select action from retain($1)", [at]), [{ action: "dropped" }]);
    await retainer.query("commit");
  }));

test("a day for which a report comes in between the look and the lock stays", () =>
  twoSessions(elsewhere.pool, async (retainer, writer) => {
    await retainer.query("select ensure_partition('new_reports', $1)", [day]);
    await retainer.query("commit");
    for (let step = "55P03", turn = 0; step === "55P03"; turn++) {
      assert.ok(turn < 50, "it is always too late");
      await addReport(writer, aCluster(), "2026-03-01T12:00:00Z", ["disk"]);
      await retainer.query("begin");
      const retained = rows(retainer, "select action from retain($1) where name like 'new_reports%'", [
        at,
      ]).then(
        ([step]) => String(step?.action),
        ({ code }) => String(code),
      );
      await waitsForLock(elsewhere.pool, retainer, retained);
      await writer.query("commit");
      step = await retained;
      await retainer.query("rollback");
      // it had waited for a quarter of a second when the report was committed: no answer
      if (step !== "55P03") assert.equal(step, "undefined");
      else await writer.query("delete from decision_due");
    }
  }));

test("a table that is always busy is left for the next time, and nobody has to wait until then to stop", async () => {
  const lines: { msg: string }[] = [];
  const log = createLogger("info", { write: (line) => void lines.push(JSON.parse(line)) });
  let calls = 0;
  const busy = (onCall: () => void) =>
    ({
      query: async () => {
        calls++;
        setImmediate(onCall);
        throw Object.assign(new Error("canceling statement due to lock timeout"), { code: "55P03" });
      },
    }) as unknown as Pool;
  assert.deepEqual(
    await retainAll(
      busy(() => undefined),
      log,
      { waitMs: 1 },
    ),
    [],
  );
  assert.equal(calls, 20);
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ["a table is too busy to take a day out of it, next time"],
  );
  calls = 0;
  const stopping = new AbortController();
  assert.deepEqual(
    await retainAll(
      busy(() => stopping.abort()),
      log,
      { signal: stopping.signal, waitMs: 3_600_000 },
    ),
    [],
  );
  assert.equal(calls, 1);
});

test("of two at once the second has nothing to do; all steps together are what ccx retention apply takes", async () => {
  const pool = database.pool;
  await pool.query(
    "select ensure_partition('new_reports', day::date) from generate_series(now() - interval '14 days', now() - interval '10 days', '1 day') day",
  );
  await twoSessions(pool, async (first, second) => {
    assert.equal((await rows(first, "select * from retain()")).length, 1);
    assert.equal((await rows(second, "select * from retain()")).length, 0);
  });
  const steps = await retainAll(pool, createLogger("silent"));
  assert.equal(steps.filter(({ action }) => action === "dropped").length, 5);
  assert.equal(await value(pool, "select count(*)::integer from partitions where is_past"), 0);
  assert.deepEqual(await retainAll(pool, createLogger("silent"), { signal: AbortSignal.abort() }), []);
});

/** What `retain()` and its preview say of one table, and how many rows are left in it. */
async function goes(db: PoolClient, table: string, when: string): Promise<[unknown, string[], unknown]> {
  const preview = "select sum(row_count)::integer from preview_retention($1) where name = $2";
  const expected = await value(db, preview, [when, table]);
  const steps: string[] = [];
  for (;;) {
    const [step] = await rows(db, "select * from retain($1)", [when]);
    if (!step) break;
    if (step.name === table) steps.push(`${step.action} ${step.row_count}`);
  }
  return [expected, steps, await value(db, `select count(*)::integer from ${table}`)];
}

test("what has no days goes row by row when its time is over, as the preview said", () =>
  rolledBack(database.pool, async (db) => {
    await db.query(
      `insert into rejected_message (topic, partition, kafka_offset, reason, detail, received_at)
       select 't', 0, n, 'empty', 'x', timestamptz '2026-03-01T12:00Z' + n * interval '1 day' from generate_series(0, 2) n`,
    );
    await db.query(
      `insert into read_errors (org_id, cluster, updated_at, error_text, created_at)
       select 1, 'c', now(), 'x', timestamptz '2026-03-01T12:00Z' + n * interval '1 day' from generate_series(0, 2) n`,
    );
    await db.query("select set_retention('read_errors', '31 days')");
    for (const [nth, table] of ["rejected_message", "read_errors"].entries()) {
      assert.deepEqual(await goes(db, table, `2026-03-31T23:59:59.${nth}Z`), [null, [], 3], table);
      const over = `2026-04-0${1 + nth}T00:00:00Z`;
      assert.deepEqual(await goes(db, table, over), [1, ["deleted 1"], 2], table);
    }
    await db.query("select ccx.heartbeat('gone', 'host', 1, '{work}', '1.0', '2026-03-01T12:00Z')");
    assert.deepEqual(await goes(db, "worker", "2026-03-03T00:00:00Z"), [1, ["deleted 1"], 0]);
  }));

test("what a cluster said of its workloads goes 90 days after it last said something, with its namespaces", () =>
  rolledBack(database.pool, async (db) => {
    await db.query(
      `insert into workload_report (cluster, org_id, updated_at, received_at, recommendations)
       values ('a', 1, '2026-03-01T12:00Z', '2026-03-01T12:00Z', '[]'),
         ('late', 1, '2026-03-01T12:00Z', '2026-03-02T12:00Z', '[]'),
         ('b', 1, '2026-03-02T12:00Z', '2026-03-02T12:00Z', '[]')`,
    );
    await db.query(
      `insert into workload_namespace (cluster, namespace_id, org_id, name, reported_at, recommendations, objects, hits)
       select cluster, 'n', 1, '', updated_at, 1, 1, '[]' from workload_report`,
    );
    assert.deepEqual(await goes(db, "workload_report", "2026-05-30T23:59:59Z"), [null, [], 3]);
    assert.deepEqual(await goes(db, "workload_report", "2026-05-31T00:00:00Z"), [1, ["deleted 1"], 2]);
    const left = await rows(db, "select cluster from workload_namespace order by 1");
    assert.deepEqual(left, [{ cluster: "b" }, { cluster: "late" }]);
  }));

test("the memory of a notification goes only once no decision, past or future, looks at it", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    const [open, closed] = [aCluster(), aCluster()];
    await db.query("select set_retention('notification', '30 days')");
    await db.query("select set_retention('occurrence', '30 days')");
    await db.query("select set_retention('latest_report', '10 years')");
    for (const cluster of [open, closed]) await reportAndDecide(db, cluster, "2026-01-01T00:00Z", ["disk"]);
    await reportAndDecide(db, open, "2026-01-10T00:00Z", ["disk"]);
    await reportAndDecide(db, closed, "2026-01-05T00:00Z", []);
    await reportAndDecide(db, closed, "2026-01-20T00:00Z", ["disk"]);
    await reportAndDecide(db, closed, "2026-01-21T00:00Z", []);
    await db.query("update notification set state = 'sent', ended_at = decided_at");
    const ledger = "select notified_at::date::text as day from notified_issue order by 1";
    const days = async () => (await rows(db, ledger)).map(({ day }) => day);
    assert.deepEqual(await days(), ["2026-01-01", "2026-01-01", "2026-01-10", "2026-01-20"]);
    // 30 days and the cooldown of 7 after they were superseded on the 10th and the 20th
    await goes(db, "notification", "2026-02-15T00:00Z");
    assert.equal((await days()).length, 4);
    await goes(db, "notification", "2026-02-16T00:00Z");
    assert.deepEqual(await days(), ["2026-01-01", "2026-01-10", "2026-01-20"]);
    assert.deepEqual(await rows(db, "select * from drift where what <> 'surplus issue'"), []);
    assert.equal((await goes(db, "occurrence", "2026-02-16T00:00Z"))[2], 2);
    // a year later: the open issue still knows when it was last notified
    await goes(db, "notification", "2027-02-17T00:00Z");
    assert.deepEqual(await days(), ["2026-01-10"]);
    assert.deepEqual(await rows(db, "select * from drift where what <> 'surplus issue'"), []);
    const last = "select last_notified_at from explain_at('2027-02-17') where cluster = $1 and target = $2";
    assert.equal(await value(db, last, [open, "notifications backend"]), "2026-01-10T00:00:00Z");
  }));

test("retention of a table cannot be ended by taking its row away", () =>
  rolledBack(database.pool, async (db) => {
    await refused(db, "NTR04", () => db.query("delete from retention where parent = 'notification'"));
    await refused(db, "NTR04", () => db.query("truncate retention"));
    for (const keep of [null, "0 days", "-1 day", "1000 years"])
      await refused(db, "NTR03", () => db.query("select set_retention('notification', $1)", [keep]));
  }));

test("the preview shows the rows of no day, and partitions when each day goes", () =>
  rolledBack(database.pool, async (db) => {
    await ensure(db, day);
    const past = "select action, name, row_count from preview_retention($1) where name like 'new_reports%'";
    assert.deepEqual(await rows(db, past, [at]), [{ action: "drop", name: partition, row_count: null }]);
    await db.query("alter table new_reports disable trigger user");
    await db.query(
      "insert into new_reports (org_id, cluster, report, updated_at) values (1, 'old', '{}', '1999-01-01')",
    );
    assert.equal(
      (await rows(db, past, [at])).some(({ name }) => name === "new_reports_default"),
      true,
    );
    const drop = "select drop_at from partitions where name = $1";
    assert.equal(await value(db, drop, [partition]), "2026-03-10T00:00:00Z");
  }));
