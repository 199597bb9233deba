import assert from "node:assert/strict";
import { test } from "node:test";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();

/** How old the rows are, each of a cluster of its own. */
const ages = [
  "5 seconds",
  "40 seconds",
  "5 minutes",
  "9 minutes",
  "90 minutes",
  "20 hours",
  "3 days",
  "5 days",
];

type Row = { cluster: string; state: string; notified_at: string; org_id: number; target: string };

async function page(filters: object, after: (string | number)[] | null, descending = true): Promise<Row[]> {
  const found = await rows(
    database.pool,
    "select shown_row as row from ccx.console_rows('notified', $1, 'notified_at', $2, $3, 3)",
    [filters, descending, after],
  );
  return found.map(({ row }) => row as Row);
}

/** The clusters of all pages, one after the other. */
async function all(filters: object, descending = true): Promise<string[]> {
  const seen: string[] = [];
  for (let after: (string | number)[] | null = null; ; ) {
    const found = await page(filters, after, descending);
    seen.push(...found.map(({ cluster }) => cluster));
    const last = found.at(-1);
    if (!last) return seen;
    after = [last.notified_at, last.notified_at, last.org_id, last.cluster, last.target];
  }
}

test("what became of each report is listed from the newest to the oldest, however far apart they are", async () => {
  await database.pool.query("select ensure_partitions(now())");
  await database.pool.query(
    `insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
       notified_at, error_log, event_type_id)
     select 1, 0, 'cluster ' || nth, 1, 1 + nth % 2, '', now() - age, now() - age, '', 1
     from unnest($1::interval[]) with ordinality a (age, nth)`,
    [ages],
  );
  const clusters = ages.map((_, nth) => `cluster ${nth + 1}`);
  assert.deepEqual(await all({}), clusters);
  assert.deepEqual(await all({}, false), clusters.toReversed());
  assert.deepEqual(
    await all({ state: "sent" }),
    clusters.filter((_, nth) => nth % 2 === 1),
  );
  const to = new Date(Date.now() - 60 * 60_000).toISOString();
  assert.deepEqual(await all({ to }), clusters.slice(4));
});
