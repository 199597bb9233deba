import assert from "node:assert/strict";
import { test } from "node:test";
import { someWho } from "../../bench/support/questions.ts";
import { rows } from "../support/builders.ts";
import { rolledBack } from "../support/database.ts";
import { fleetDatabase } from "../support/fleets.ts";
import { leastPages } from "../support/work.ts";

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
  list("notified", "notified_at"),
  list("policies", "target", false),
  list("silences", "starts_at"),
  list("dead", "ended_at"),
  list("waiting", "decided_at"),
  list("rejected", "received_at"),
  list("partitions", "parent", false),
  list("acts", "at"),
];

test("the page about a cluster reads no more in a fleet ten times as large", async () => {
  const cost = (database: typeof small) =>
    rolledBack(database.pool, async (db) => {
      let pages = 0;
      for (const { cluster } of await someWho(db, 10, "console"))
        pages += await leastPages(db, ofCluster, [cluster]);
      return pages / 10;
    });
  const [few, many] = [await cost(small), await cost(large)];
  assert.ok(many < 1.5 * few, `${many} pages instead of ${few}`);
  assert.ok(many < 3_000, `${many} pages`);
});

test("pages about the fleet read no more of it when it is ten times as large", async () => {
  for (const statement of ofFleet) {
    const cost = (database: typeof small) => rolledBack(database.pool, (db) => leastPages(db, [statement]));
    const [few, many] = [await cost(small), await cost(large)];
    assert.ok(many < 1.5 * few + 50, `${statement}: ${many} pages instead of ${few}`);
  }
});

test("the day by hour of a surveyed fleet is read from what sweeps counted, however large it is", async () => {
  const counted = (database: typeof small) =>
    rolledBack(database.pool, async (db) => {
      const now = await rows(db, "select * from ccx.busy_hours()");
      await db.query("select ccx.count_busy_hours(now())");
      await db.query("update sweep_mark set reporting_clusters = 10000");
      assert.deepEqual(await rows(db, "select * from ccx.busy_hours()"), now);
      assert.ok(now.some(({ reports }) => Number(reports) > 0));
      return leastPages(db, ["select * from ccx.busy_hours()"]);
    });
  const [few, many] = [await counted(small), await counted(large)];
  assert.ok(many <= few + 5, `${many} pages instead of ${few}`);
  assert.ok(many < 50, `${many} pages`);
});

test("what other databases do at the same time does not count", async () => {
  const many = `do $$ begin
    for n in 1..250 loop execute format('create temp table t%s (a int primary key, b text)', n); end loop;
  end $$`;
  const counted = (meanwhile: () => Promise<unknown>) =>
    rolledBack(small.pool, async (db) => {
      const [{ cluster } = { cluster: "" }] = await someWho(db, 1, "console");
      await leastPages(db, ofCluster, [cluster]);
      await meanwhile();
      return leastPages(db, ofCluster, [cluster]);
    });
  const alone = await counted(async () => undefined);
  const beside = await counted(async () => {
    const other = await large.pool.connect();
    await other.query(many);
    other.release(true);
  });
  assert.ok(beside < 1.5 * alone, `${beside} pages instead of ${alone}`);
});
