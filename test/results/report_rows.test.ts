import assert from "node:assert/strict";
import { test } from "node:test";
import { addReports, loadContent, rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const answers = {
  results_report: "ccx.results_report(1, 'u', l.cluster)",
  aggregator_report: "ccx.aggregator_report(1, 'u', l.cluster)",
  results_report_info: "ccx.results_report_info(1, l.cluster)",
};

for (const [name, call] of Object.entries(answers))
  test(`${name}() reads the issues of its cluster, and not those of the organization`, () =>
    rolledBack(database.pool, async (db) => {
      await loadContent(db, ["disk", "net"]);
      const clusters = Array.from({ length: 400 }, (_, n) => `cluster-${n}`);
      await addReports(
        db,
        clusters.map((cluster) => ({ cluster, at, hits: ["disk", "net"] })),
      );
      await db.query("analyze issue, latest_report, rule");
      const read =
        "select idx_tup_fetch + seq_tup_read from pg_stat_xact_user_tables where relname = 'issue'";
      const before = Number(await value(db, read));
      // as many as a plan for each call is made for, and more
      const given = await rows(
        db,
        `select ${call} is not null as is_known
         from (select cluster from latest_report order by cluster limit 20) l`,
      );
      assert.deepEqual(given, Array(20).fill({ is_known: true }));
      assert.ok(Number(await value(db, read)) - before < 200, "rows of issue that it read");
    }));

test("an answer about an organization is planned for that organization", async () => {
  // what a plan for any organization costs is seen at thousands of clusters only
  const kept = await rows(
    database.pool,
    `select p.proname from pg_proc p join pg_language l on l.oid = p.prolang
     where l.lanname = 'plpgsql' and p.prosrc ~ 'org_(issues|clusters)\\(' and not 'cluster' = any (p.proargnames)
       and not coalesce('plan_cache_mode=force_custom_plan' = any (p.proconfig), false)`,
  );
  assert.deepEqual(kept, []);
});
