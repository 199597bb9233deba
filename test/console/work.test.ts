import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { someWho } from "../../bench/support/questions.ts";
import { rolledBack } from "../support/database.ts";
import { fleetDatabase } from "../support/fleets.ts";
import { workOf } from "../support/work.ts";

const small = fleetDatabase(300);
const large = fleetDatabase(3_000);

/** What the page about a cluster asks. */
const ofCluster = [
  "select * from ccx.known_cluster($1)",
  "select * from ccx.cluster_life($1, now() - interval '180 days', now() + interval '1 day')",
  "select * from explain_at(now(), cluster => $1)",
];

const list = (name: string, sort: string, descending = true) =>
  `select * from ccx.console_rows('${name}', '{}', '${sort}', ${descending}, null, 51)`;

/** What pages about the fleet ask when they are opened; none of it reads the fleet. */
const ofFleet = [
  "select * from status",
  "select * from ccx.stations",
  list("policies", "target", false),
  list("silences", "starts_at"),
  list("dead", "ended_at"),
  list("waiting", "decided_at"),
  list("rejected", "received_at"),
  list("partitions", "parent", false),
  list("acts", "at"),
];

async function pagesOf(db: PoolClient, statements: string[], values: unknown[] = []): Promise<number> {
  let pages = 0;
  for (const statement of statements) pages += (await workOf(db, statement, values)).pages;
  return pages;
}

test("the page about a cluster reads no more in a fleet ten times as large", async () => {
  const cost = (database: typeof small) =>
    rolledBack(database.pool, async (db) => {
      let pages = 0;
      // the first one fills the caches
      for (const [nth, { cluster }] of (await someWho(db, 11, "console")).entries()) {
        const touched = await pagesOf(db, ofCluster, [cluster]);
        if (nth > 0) pages += touched;
      }
      return pages / 10;
    });
  const [few, many] = [await cost(small), await cost(large)];
  assert.ok(many < 1.5 * few, `${many} pages instead of ${few}`);
  assert.ok(many < 3_000, `${many} pages`);
});

test("pages about the fleet read no more of it when it is ten times as large", async () => {
  for (const statement of ofFleet) {
    const cost = (database: typeof small) =>
      rolledBack(database.pool, async (db) => {
        await pagesOf(db, [statement]);
        return pagesOf(db, [statement]);
      });
    const [few, many] = [await cost(small), await cost(large)];
    assert.ok(many < 1.5 * few + 50, `${statement}: ${many} pages instead of ${few}`);
  }
});
