import assert from "node:assert/strict";
import { test } from "node:test";
import { limited } from "../../src/db/limits.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogger } from "../../src/log.ts";
import { aCluster, addReports, loadContent, rows, value } from "../support/builders.ts";
import { openDatabase } from "../support/database.ts";

/** Limits of a test: a wait that is longer than this ends with an error of its own. */
const lockMs = 2_000;

test("beside a long transaction everything either goes on or gives up in its time, and recovers", async () => {
  await using database = await openDatabase();
  const { pool } = database;
  await loadContent(pool, ["disk"]);
  const day = (await value(pool, "select (current_date - 30)::text")) as string;
  await pool.query("select ensure_partition('new_reports', $1)", [day]);
  await addReports(pool, [{ cluster: aCluster(), at: `${day}T12:00:00Z`, hits: ["disk"] }]);
  await pool.query("select decide_due(100)");
  await pool.query(
    "update notification set state = 'sent', ended_at = now(), result = '{}' where state = 'pending'",
  );

  const work = limited(pool, { statementMs: 20_000, lockMs, idleInTransactionMs: 60_000 });
  let offset = 0;
  const report = (cluster: string) =>
    JSON.stringify([
      {
        kafka_offset: offset++,
        org_id: 1,
        account_number: 0,
        cluster,
        updated_at: new Date().toISOString(),
        report: JSON.stringify({
          reports: [{ component: "ccx_rules_ocp.external.rules.disk.report", key: "KEY", details: {} }],
        }),
      },
    ]);
  const ingest = (cluster: string) =>
    work.query("select stored from ccx.ingest('results', 0, $1::jsonb)", [report(cluster)]);
  const decide = () => work.query("select clusters, notified from ccx.decide_due(100)");
  const retain = () => work.query("select action, name from retain()");

  // 1. somebody reads every table and keeps his transaction open, as pg_dump does
  const reader = await pool.connect();
  await reader.query("begin isolation level repeatable read");
  for (const name of ["new_reports", "issue", "notification", "notified_issue", "policy", "latest_report"])
    await reader.query(`select count(*) from ${name}`);

  const seen = aCluster();
  assert.equal((await ingest(seen)).rows[0]?.stored, 1, "reports are stored");
  assert.equal((await decide()).rows[0]?.notified, 1, "and decided on");
  await assert.rejects(retain(), { code: "55P03" }, "a day cannot go: retention tries again later");
  assert.equal(await value(work, "select ccx.ensure_partition('new_reports', current_date + 9)"), false);
  await migrate(database.url, createLogger("silent")); // nothing differs: it takes no lock
  await reader.query("rollback");
  assert.deepEqual(
    (await retain()).rows.map(({ action }) => action),
    ["detached"],
    "once he is gone, it does",
  );

  // 2. somebody changed a row that all of them need, and forgot to commit
  await reader.query("begin");
  await reader.query("update latest_report set account_number = 1 where cluster = $1", [seen]);
  await reader.query("select from consumer_offset for update");
  const began = performance.now();
  const results = await Promise.allSettled([ingest(seen), decide(), retain(), ingest(aCluster())]);
  const codes = results.map((result) => (result.status === "rejected" ? result.reason.code : "done"));
  assert.deepEqual(codes, ["55P03", "done", "done", "55P03"]);
  assert.ok(!codes.includes("40P01"), "nothing deadlocks");
  assert.ok(
    performance.now() - began < 10 * lockMs,
    "nobody waits for longer than his limit, one after the other",
  );
  await migrate(database.url, createLogger("silent"));
  const waiting =
    "select count(*)::integer from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
  assert.equal(await value(pool, waiting), 0, "nothing is left behind that waits");
  await reader.query("rollback");
  reader.release();

  // 3. all of it goes on
  assert.equal((await ingest(seen)).rows[0]?.stored, 1);
  assert.equal((await decide()).rows[0]?.clusters, 1);
  while ((await retain()).rows.length > 0);
  assert.equal(await value(work, "select ccx.ensure_partition('new_reports', current_date + 9)"), true);
  assert.deepEqual(await rows(pool, "select * from drift"), []);
});
