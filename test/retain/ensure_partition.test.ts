import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { aCluster, addReport, openIssues, rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();

const ensure = (db: PoolClient, day: string, parent = "new_reports") =>
  value(db, "select ensure_partition($1, $2)", [parent, day]);

const partitions = async (db: PoolClient, parent: string) =>
  (
    await rows(
      db,
      `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = $1::regclass order by 1`,
      [parent],
    )
  ).map(({ name }) => name);

test("a partition is made once, with a comment", () =>
  rolledBack(database.pool, async (db) => {
    assert.equal(await ensure(db, "2026-03-01"), true);
    assert.equal(await ensure(db, "2026-03-01"), false);
    assert.deepEqual(await partitions(db, "new_reports"), ["new_reports_20260301", "new_reports_default"]);
    assert.equal(
      await value(db, "select obj_description('new_reports_20260301'::regclass)"),
      "new_reports of 2026-03-01",
    );
  }));

test("a day is a day of UTC, whatever the time zone of the session", () =>
  rolledBack(database.pool, async (db) => {
    for (const [i, zone] of ["UTC", "America/St_Johns", "Pacific/Kiritimati"].entries()) {
      await db.query(`set local timezone = '${zone}'`);
      const day = `2026-03-0${7 + i}`;
      for (const parent of ["new_reports", "reported"]) assert.equal(await ensure(db, day, parent), true);
      await db.query("set local timezone = 'UTC'");
      const bounds = await value(
        db,
        "select pg_get_expr(relpartbound, oid) from pg_class where relname = $1",
        [`new_reports_${day.replaceAll("-", "")}`],
      );
      assert.equal(
        bounds,
        `FOR VALUES FROM ('${day} 00:00:00+00') TO ('2026-03-${i < 2 ? `0${8 + i}` : 10} 00:00:00+00')`,
      );
    }
  }));

test("reports of the day that went to the default partition are moved along, the others stay", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const days = {
      "2026-02-28T23:59:59.999999Z": "new_reports_default",
      "2026-03-01T00:00:00Z": "new_reports_20260301",
      "2026-03-01T23:59:59.999999Z": "new_reports_20260301",
      "2026-03-02T00:00:00Z": "new_reports_default",
    };
    for (const day of Object.keys(days)) await addReport(db, cluster, day, ["disk"]);
    const before = await rows(db, "select * from issue");
    await ensure(db, "2026-03-01");
    const found = await rows(
      db,
      "select updated_at, tableoid::regclass::text as partition from new_reports order by 1",
    );
    assert.deepEqual(
      found,
      Object.entries(days).map(([updated_at, partition]) => ({ updated_at, partition })),
    );
    assert.deepEqual(await rows(db, "select * from issue"), before, "moving is not reporting");
    await addReport(db, cluster, "2026-03-02T01:00:00Z", []);
    assert.deepEqual(await openIssues(db, cluster), []);
  }));

test("decisions of the day that went to the default partition are moved along", () =>
  rolledBack(database.pool, async (db) => {
    await db.query(
      `insert into reported values (1, 0, 'c', 1, 1, '', '2026-02-01', '2026-03-01T12:00:00Z', '', 1),
         (1, 0, 'c', 1, 1, '', '2026-03-01T12:00:00Z', '2026-03-02T12:00:00Z', '', 1)`,
    );
    await ensure(db, "2026-03-01", "reported");
    assert.deepEqual(
      await rows(db, "select tableoid::regclass::text as partition from reported order by notified_at"),
      [{ partition: "reported_20260301" }, { partition: "reported_default" }],
    );
  }));

test("a partition keeps what its table demands", () =>
  rolledBack(database.pool, async (db) => {
    await ensure(db, "2026-03-01", "reported");
    const insert =
      "insert into reported_20260301 values (1, 0, 'c', 1, $1, '', '2026-03-01', '2026-03-01T12:00:00Z', '', 1)";
    await db.query(insert, [1]);
    await db.query("savepoint before");
    await assert.rejects(db.query(insert, [1]), /duplicate key/);
    await db.query("rollback to savepoint before");
    await assert.rejects(db.query(insert.replace("'c'", "'d'"), [99]), /check constraint/);
    await db.query("rollback to savepoint before");
    await assert.rejects(
      db.query(insert.replace("'c'", "'d'").replace("'', 1)", "'', 99)"), [1]),
      /foreign key/,
    );
  }));

test("two callers at once: the second waits, finds it done, and can use it", () =>
  twoSessions(database.pool, async (first, second) => {
    // the second has looked for it before, so its session remembers that it is not there
    assert.equal(await value(second, "select to_regclass('new_reports_20260301')"), null);
    assert.equal(await ensure(first, "2026-03-01"), true);
    const ensured = ensure(second, "2026-03-01");
    await waitsForLock(database.pool, second, ensured);
    await first.query("commit");
    assert.equal(await ensured, false);
    await addReport(second, aCluster(), "2026-03-01T12:00:00Z", ["disk"]);
    const where = "select tableoid::regclass::text from new_reports where updated_at >= '2026-03-01'";
    assert.equal(await value(second, where), "new_reports_20260301");
  }));

test("another table is refused", () =>
  rolledBack(database.pool, async (db) => {
    await assert.rejects(ensure(db, "2026-03-01", "issue"), { code: "NTR01" });
  }));

test("today and the next three days have partitions, days of UTC", () =>
  rolledBack(database.pool, async (db) => {
    await db.query("set local timezone = 'Pacific/Kiritimati'");
    const at = "2026-04-01T23:30:00Z";
    assert.equal(await value(db, "select ensure_partitions($1)", [at]), 8);
    assert.equal(await value(db, "select ensure_partitions($1)", [at]), 0);
    assert.equal(await value(db, "select ensure_partitions('2026-04-02T00:00:00Z')"), 2);
    for (const parent of ["new_reports", "reported"]) {
      const days = (await partitions(db, parent)).filter((name) =>
        String(name).startsWith(`${parent}_202604`),
      );
      assert.deepEqual(
        days,
        ["01", "02", "03", "04", "05"].map((day) => `${parent}_202604${day}`),
      );
    }
  }));
