import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Pool } from "pg";
import { adopt, finish, undo } from "../../src/adopt/adopt.ts";
import * as operations from "../../src/adopt/operations.ts";
import { defaults } from "../../src/adopt/plan.ts";
import { createLogger } from "../../src/log.ts";
import { aCluster, addReport, rows, value } from "../support/builders.ts";
import { openDatabase, type TestDatabase } from "../support/database.ts";
import { fillVersionEight, versionEight } from "../support/incumbent.ts";

const log = createLogger("silent");
type Opened = TestDatabase & AsyncDisposable;

async function adopted(): Promise<Opened> {
  const opened = await openDatabase({ empty: true });
  await opened.pool.query(versionEight);
  await fillVersionEight(opened.pool, 12, 12);
  await adopt({ databaseUrl: opened.url, log }, defaults);
  return opened;
}

const count = (pool: Pool, table: string) => value(pool, `select count(*)::integer from ${table}`);
const refusedAs = (code: string) => (error: unknown) =>
  assert.equal((error as { code?: string }).code, code) ?? true;

for (const [kind, open, old] of [
  ["a fresh database", () => openDatabase(), 0],
  ["an adopted database", adopted, 24],
] as const)
  describe(`the writer's operations on ${kind}`, () => {
    let database: Opened;
    let pool: Pool;
    before(async () => {
      database = await open();
      pool = database.pool;
    });
    after(() => database[Symbol.asyncDispose]());

    test("nothing is made that is there", async () => {
      assert.deepEqual(await operations.initTables(pool), { created: false });
      assert.deepEqual(await operations.initMigrations(pool), { created: false, version: 8 });
      assert.deepEqual(await operations.migrationInfo(pool), { current: 8, latest: 8 });
    });

    test("a version is a number, and nothing is lost on the way down", async () => {
      const before = await count(pool, "event_targets");
      assert.deepEqual(await operations.migrateTo(pool, 0), { before: 8, after: 0 });
      assert.deepEqual(await operations.migrationInfo(pool), { current: 0, latest: 8 });
      assert.equal(await count(pool, "event_targets"), before);
      for (const wrong of ["abc", "Latest", "1.5", "9", "-1", "", "null"])
        await assert.rejects(operations.migrateTo(pool, wrong), refusedAs("NTM03"), wrong);
      assert.deepEqual(await operations.migrateTo(pool, "latest"), { before: 0, after: 8 });
      await pool.query("insert into migration_info values (3)");
      assert.deepEqual(await operations.migrationInfo(pool), { current: null, latest: 8 });
      assert.deepEqual(await operations.initMigrations(pool), { created: true, version: 8 });
      assert.equal(await count(pool, "migration_info"), 1);
    });

    test("what is shown as old is what goes, while somebody reads", async () => {
      const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
      const cluster = aCluster();
      for (const days of [20, 10, 1]) await addReport(pool, cluster, ago(days), ["disk"]);
      await addReport(pool, "no uuid", "1990-01-01T00:00:00Z", "");
      await pool.query(
        `insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
           notified_at, error_log, event_type_id)
         values (1, 0, $1, 1, 2, '', $2, $3, '', 1), (1, 0, $1, 1, 2, '', $4, $4, '', 1)`,
        [cluster, ago(30), ago(1), ago(2)],
      );
      for (const wrong of ["", "soon", "0 days", "-1 day", "infinity"]) {
        await assert.rejects(operations.cleanup(pool, wrong), refusedAs("NTM01"), wrong);
        await assert.rejects(operations.printOld(pool, wrong), refusedAs("NTM01"), wrong);
      }
      const reader = await pool.connect();
      await reader.query("begin; select count(*) from new_reports; select count(*) from reported");
      const shown = await operations.printOld(pool, "5 days");
      const reports = shown.find(({ table }) => table === "new_reports")?.rows ?? [];
      assert.deepEqual(
        reports.filter((row) => row.org_id === "1").map((row) => row.age_days > 5),
        [true, true, true],
      );
      const gone = await operations.cleanup(pool, "5 days");
      assert.deepEqual(
        gone,
        shown.map(({ table, rows: those }) => ({ table, deleted: those.length })),
      );
      await reader.query("rollback");
      reader.release();
      assert.equal(
        await value(pool, "select count(*)::integer from new_reports where cluster = $1 and org_id = 1", [
          cluster,
        ]),
        1,
      );
      assert.deepEqual(await operations.printOld(pool, "5 days"), [
        { table: "new_reports", rows: [] },
        { table: "reported", rows: [] },
        { table: "read_errors", rows: [] },
      ]);
      assert.equal(reports.length, 3 + old, "with those from before the adoption");
    });

    test("reported is emptied, though somebody reads it", async () => {
      const reader = await pool.connect();
      await reader.query("begin; select count(*) from reported");
      const deleted = await operations.truncateOldReports(pool);
      assert.equal(deleted.truncated, false);
      assert.ok(deleted.deleted > 0);
      await reader.query("rollback");
      reader.release();
      assert.deepEqual(await operations.truncateOldReports(pool), { truncated: true, deleted: 0 });
    });

    test("all rows go, and what other programs know stays", async () => {
      const emptied = await operations.emptyDatabase(pool);
      assert.deepEqual(
        emptied.map(({ table }) => table),
        ["read_errors", "new_reports", "reported"],
      );
      for (const table of ["new_reports", "reported", "read_errors"])
        assert.equal(await count(pool, table), 0);
      assert.equal(await count(pool, "states"), 4);
      assert.deepEqual(await operations.migrationInfo(pool), { current: 8, latest: 8 });
    });

    if (kind === "an adopted database")
      test("the old tables go when nobody wants to go back, and everything goes on", async () => {
        const work = { databaseUrl: database.url, log };
        await pool.query(`
          create view of_theirs as select cluster from incumbent.new_reports;
          create view of_both as select state from incumbent.all_reported;
          create table of_others (state integer constraint of_state references incumbent.states)`);
        await assert.rejects(finish(work), {
          message:
            "Something of yours still needs the old tables.\n" +
            "The foreign key of_state of of_others stays on the old table.\n" +
            "The view of_both reads all_reported and goes on to read the old table: create it again.\n" +
            "The view of_theirs reads new_reports and goes on to read the old table: create it again.",
        });
        assert.notEqual(await value(pool, "select to_regclass('incumbent.new_reports')"), null);
        await pool.query("drop view of_theirs, of_both; drop table of_others");
        await finish(work);
        await assert.rejects(finish(work), /There are no old tables/);
        await assert.rejects(undo(work), /There is no adoption to undo/);
        assert.deepEqual(
          await rows(pool, "select nspname from pg_namespace where nspname = 'incumbent'"),
          [],
        );
        await addReport(pool, aCluster(), new Date().toISOString(), ["disk"]);
        assert.deepEqual(await operations.printOld(pool, "1 day", ["reported"]), [
          { table: "reported", rows: [] },
        ]);
      });

    test("dropped by whomever, the tables are made again", async () => {
      await pool.query("drop table states, read_errors, reported, event_targets cascade");
      assert.deepEqual(await operations.initMigrations(pool), { created: true, version: 8 });
      assert.deepEqual(await operations.initTables(pool), { created: false });
      assert.equal(await count(pool, "reported"), 0);
      const { dropped } = await operations.dropTables(pool);
      assert.ok(dropped.includes("new_reports") && dropped.includes("migration_info"), dropped.join());
      assert.deepEqual(
        await rows(pool, "select relname from pg_class where relnamespace = 'public'::regnamespace"),
        [],
      );
      assert.deepEqual(await operations.initTables(pool), { created: true });
      await addReport(pool, aCluster(), new Date().toISOString(), ["disk"]);
      assert.equal(await count(pool, "latest_report"), 1);
    });
  });

test("what is still the writer's own is left alone", async () => {
  await using theirs = await openDatabase({ empty: true });
  await theirs.pool.query(versionEight);
  for (const operation of [
    () => operations.initTables(theirs.pool),
    () => operations.dropTables(theirs.pool),
    () => operations.cleanup(theirs.pool, "1 day"),
    () => operations.migrateTo(theirs.pool, 0),
  ])
    await assert.rejects(operation, /take it over with `ccx adopt`/);
});
