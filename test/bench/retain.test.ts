import assert from "node:assert/strict";
import { test } from "node:test";
import { rolledBack, testDatabase } from "../support/database.ts";
import { workOf } from "../support/work.ts";

const database = testDatabase();

/** The pages that it takes to get rid of a day with so many reports, and what was read from end to end. */
async function workFor(reports: number): Promise<{ pages: number; scanned: Record<string, number> }> {
  return rolledBack(database.pool, async (db) => {
    await db.query("select ensure_partition('new_reports', '2026-03-01')");
    await db.query("set local session_replication_role = replica");
    await db.query(
      `insert into new_reports (org_id, cluster, report, updated_at)
       select n, 'cluster ' || n, '{"reports": []}', '2026-03-01' from generate_series(1, $1::integer) n`,
      [reports],
    );
    const total = { pages: 0, scanned: {} as Record<string, number> };
    for (const action of ["detached", "dropped"]) {
      const work = await workOf(db, `select * from retain('2026-03-10') where action = '${action}'`, []);
      total.pages += work.pages;
      Object.assign(total.scanned, work.scanned);
    }
    assert.equal((await db.query("select from partitions where day = '2026-03-01'")).rowCount, 0);
    return total;
  });
}

test("what it costs to drop a day does not depend on how much it holds", async () => {
  const [few, many] = [await workFor(200), await workFor(20_000)];
  assert.ok(many.pages < 1.3 * few.pages, `${few.pages} pages became ${many.pages}`);
  for (const [table, count] of Object.entries(many.scanned))
    assert.ok(count < 200, `${count} rows of ${table} were read from end to end`);
});
