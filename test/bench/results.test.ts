import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pool } from "pg";
import { rows } from "../support/builders.ts";
import { rolledBack } from "../support/database.ts";
import { fleetDatabase } from "../support/fleets.ts";
import { workOf } from "../support/work.ts";

const small = fleetDatabase(300);
const large = fleetDatabase(3_000);
const asked = 20;

/** The pages that the reports of some clusters touch, each asked once before, and whole tables that were read. */
async function costOf(pool: Pool): Promise<{ pages: number; scanned: string[] }> {
  const some = await rows(
    pool,
    "select org_id, cluster from latest_report where left_at is null order by hashtext(cluster) limit $1",
    [asked],
  );
  const cost = { pages: 0, scanned: new Set<string>() };
  for (const { org_id, cluster } of some)
    await rolledBack(pool, async (db) => {
      const answer = `select ccx.results_report(${org_id}, 'u', '${cluster}')`;
      await db.query(answer);
      const { pages, scanned } = await workOf(db, answer);
      cost.pages += pages;
      for (const table of Object.keys(scanned)) cost.scanned.add(table);
    });
  return { pages: cost.pages / asked, scanned: [...cost.scanned] };
}

test("what the report of one cluster costs does not depend on the fleet", async (t) => {
  const [few, many] = [await costOf(small.pool), await costOf(large.pool)];
  t.diagnostic(`${few.pages} pages in a fleet of 300, ${many.pages} in one of 3,000`);
  for (const { scanned } of [few, many])
    assert.deepEqual(
      scanned.filter((table) => ["issue", "latest_report", "new_reports"].includes(table)),
      [],
    );
  // an index may be a level deeper
  assert.ok(many.pages < few.pages + 15, `${few.pages} → ${many.pages}`);
});
