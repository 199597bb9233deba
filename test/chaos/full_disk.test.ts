import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();

test("while the disk is full, the chaos run's database takes no row in any table that the service writes", async () => {
  const { pool } = database;
  await pool.query(await readFile(new URL("setup.sql", import.meta.url), "utf8"));
  const written = [
    ...[
      "new_reports",
      "latest_report",
      "rejected_message",
      "read_errors",
      "consumer_offset",
      "rule",
      "issue",
    ],
    ...["occurrence", "decision_due", "decision_request", "notification", "notified_issue", "reported"],
    ...["archive", "archive_chunk", "upload_message", "analysis", "rule_failure", "kept_archive"],
    ...["render_failure", "circuit", "sweep_mark", "worker", "graphile_worker._private_jobs"],
  ];
  for (const table of written) {
    const column = await rows(
      pool,
      "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and attidentity = '' limit 1",
      [table],
    );
    const same = `${column[0]?.attname} = ${column[0]?.attname}`;
    const update = `update ${table} set ${same} where false`;
    await pool.query(update);
    await pool.query("insert into chaos.full_disk default values");
    for (const statement of [`insert into ${table} default values`, update])
      await assert.rejects(pool.query(statement), { code: "53100" }, statement);
    await pool.query("delete from chaos.full_disk");
  }
});
