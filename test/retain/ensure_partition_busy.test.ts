import assert from "node:assert/strict";
import { test } from "node:test";
import { value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

const database = testDatabase();
const exists = "select to_regclass('new_reports_20260301') is not null";
const ensure = "select ensure_partition('new_reports', '2026-03-01')";
const someoneWaits = () =>
  value(
    database.pool,
    `select exists (select from pg_locks where not granted and database = (select oid from pg_database
      where datname = current_database()))`,
  );

test("while a dump reads the table, its next day waits for the next call, and nobody waits behind it", async () => {
  const dump = await database.pool.connect();
  const writer = await database.pool.connect();
  try {
    await dump.query("begin");
    await dump.query("select count(*) from new_reports");
    let ended = false;
    const made = value(database.pool, ensure).finally(() => {
      ended = true;
    });
    await until("the day waits for the dump, or has given up", async () => ended || (await someoneWaits()));
    // what the lock of a writer may take at most: less than a statement of the service
    await writer.query("begin; set local lock_timeout = '2s'");
    await writer.query(
      "insert into new_reports (org_id, cluster, report, updated_at) values (1, 'c', '', '2026-03-01')",
    );
    await writer.query("commit");
    assert.equal(await made, false);
    assert.equal(await value(database.pool, exists), false);
    assert.equal(await value(database.pool, "select count(*)::integer from new_reports_default"), 1);
    await dump.query("commit");
    assert.equal(await value(database.pool, ensure), true);
    assert.equal(await value(database.pool, "select count(*)::integer from new_reports_20260301"), 1);
  } finally {
    for (const session of [dump, writer]) {
      await session.query("rollback");
      session.release();
    }
  }
});

test("a row that is on its way to the default partition is not refused by its day", async () => {
  const writer = await database.pool.connect();
  try {
    await writer.query("begin");
    const insert = `insert into new_reports (org_id, cluster, report, updated_at) values (1, $1, '', '2026-04-01')`;
    await writer.query(insert, ["before"]);
    assert.equal(
      await value(database.pool, "select ensure_partition('new_reports', '2026-04-01')"),
      false,
      "it waits for the writer, for a moment",
    );
    await writer.query(insert, ["after"]);
    await writer.query("commit");
    assert.equal(await value(database.pool, "select ensure_partition('new_reports', '2026-04-01')"), true);
    assert.equal(await value(database.pool, "select count(*)::integer from new_reports_20260401"), 2);
  } finally {
    writer.release();
  }
});

test("nor is one whose statement began before its day is made, and has not come that far", async () => {
  const [writer, gate] = [await database.pool.connect(), await database.pool.connect()];
  try {
    await gate.query("begin; select pg_advisory_xact_lock(1)");
    const inserted = writer.query(
      `insert into new_reports (org_id, cluster, report, updated_at)
       select 1, 'slow', '', '2026-06-01' from pg_advisory_xact_lock(1)`,
    );
    await until("the statement waits", someoneWaits);
    const made = "select ensure_partition('new_reports', '2026-06-01')";
    assert.equal(await value(database.pool, made), false);
    await gate.query("commit");
    await inserted;
    assert.equal(await value(database.pool, made), true);
  } finally {
    await gate.query("rollback");
    for (const client of [writer, gate]) client.release();
  }
});

test("whoever has read the default partition and then deletes from it goes first", async () => {
  const reader = await database.pool.connect();
  try {
    await reader.query("begin");
    await reader.query("select from new_reports_default");
    const day = database.pool.query("select ensure_partition('new_reports', '2026-05-01') as made");
    await until("the day waits for the reader", someoneWaits);
    await reader.query("delete from new_reports_default where updated_at < '2020-01-01'");
    await reader.query("commit");
    await day;
    await value(database.pool, "select ensure_partition('new_reports', '2026-05-01')");
    assert.equal(await value(database.pool, "select to_regclass('new_reports_20260501') is not null"), true);
  } finally {
    reader.release();
  }
});
