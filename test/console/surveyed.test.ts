import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReports,
  loadContent,
  rows,
  serviceLog,
  someContent,
  value,
} from "../support/builders.ts";
import { runCcx } from "../support/command.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const newest = aCluster();

/** 1,001 clusters of which one reported an hour before the others, and one after them. */
async function aLargeFleet(): Promise<void> {
  await loadContent(database.pool, [someContent("big|ONE"), someContent("small|TWO")]);
  const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
  const at = (minutes: number) => ({ at: minutesAgo(minutes), arrived: minutesAgo(minutes) });
  await addReports(database.pool, [
    { cluster: aCluster(), org: 3, ...at(90), hits: ["small|TWO"] },
    ...Array.from({ length: 999 }, () => ({ cluster: aCluster(), org: 1, ...at(30), hits: ["big|ONE"] })),
    { cluster: newest, org: 2, ...at(10), hits: ["big|ONE", "small|TWO"] },
  ]);
  await database.pool.query("update sweep_mark set reporting_clusters = 10000");
}

const groups = (by: string, org: number | null = null) =>
  rows(
    database.pool,
    `select name, decision, clusters::integer, organizations::integer from ccx.held_groups($1, 'notifications backend', $2)
     order by name`,
    [by, org],
  );
const listed = (filters: Record<string, string>) =>
  rows(
    database.pool,
    "select distinct shown_row ->> 'org_id' as org from ccx.console_rows('new', $1::jsonb, 'org_id', false, null, 5000) order by 1",
    [JSON.stringify(filters)],
  );

test("of a large fleet the console shows the newest survey, and of one organization what is so now", async () => {
  await aLargeFleet();
  assert.deepEqual(await groups("reason"), [], "there is no survey yet");
  const asked = await runCcx(["survey", "ask", "decisions", "--by", "rule", "--json"], {
    DATABASE_URL: database.url,
  });
  assert.deepEqual([asked.code, asked.stderr], [0, ""]);
  const surveyed = [
    { name: "big|ONE", decision: "notify", clusters: 1000, organizations: 2 },
    { name: "small|TWO", decision: "notify", clusters: 2, organizations: 2 },
  ];
  assert.deepEqual(await groups("rule"), surveyed);
  assert.deepEqual(
    JSON.parse(asked.stdout)
      .filter(({ target }: { target: string | null }) => target === "notifications backend")
      .map(({ name, clusters }: { name: string; clusters: string }) => [name, clusters]),
    [
      ["big|ONE", "1000"],
      ["small|TWO", "2"],
    ],
  );
  await addReports(database.pool, [
    { cluster: newest, org: 2, at: new Date().toISOString(), hits: ["small|TWO"] },
  ]);
  assert.deepEqual(await groups("rule"), surveyed, "what came since is in the next one");
  assert.deepEqual(await groups("rule", 2), [
    { name: "small|TWO", decision: "notify", clusters: 1, organizations: 1 },
  ]);

  assert.equal(await value(database.pool, "select count(*) from ccx.shown_noise"), "0");
  assert.equal((await runCcx(["survey", "ask", "noise"], { DATABASE_URL: database.url })).code, 0);
  assert.equal(await value(database.pool, "select count(*) from ccx.shown_noise"), "4");
});

test("of a large fleet it lists the thousand clusters that reported last, and all of what it is narrowed to", async () => {
  assert.deepEqual(await listed({}), [{ org: "1" }, { org: "2" }]);
  assert.deepEqual(await listed({ decision: "notify" }), [{ org: "1" }, { org: "2" }]);
  assert.deepEqual(await listed({ rule: "small" }), [{ org: "2" }, { org: "3" }]);
  assert.deepEqual(await listed({ org_id: "3" }), [{ org: "3" }]);
  await database.pool.query("update sweep_mark set reporting_clusters = 9999");
  assert.deepEqual(await listed({}), [{ org: "1" }, { org: "2" }, { org: "3" }]);
});

test("who sees some organizations only is shown what is so now of these", () =>
  rolledBack(database.pool, async (db) => {
    await db.query("update sweep_mark set reporting_clusters = 10000");
    assert.equal(await value(db, "select ccx.fleet_is_surveyed()"), true);
    await db.query("create role narrowed; grant select on all tables in schema public to narrowed");
    await db.query("grant usage on schema ccx to narrowed");
    await db.query("alter table survey_schedule enable row level security; set local role narrowed");
    assert.equal(await value(db, "select ccx.fleet_is_surveyed()"), false);
  }));

test("ccx survey lists, shows, cancels, and says what is wrong", async () => {
  const ccx = (...args: string[]) => runCcx(["survey", ...args], { DATABASE_URL: database.url });
  const later = await ccx(
    "ask",
    "backtest",
    "--target",
    serviceLog,
    "--from",
    "2026-01-01",
    "--to",
    "2026-01-02",
    "--later",
  );
  assert.match(later.stdout, /^\d+\n$/);
  const id = later.stdout.trim();
  const shown = await ccx("show", id);
  assert.deepEqual([shown.code, shown.stdout], [3, ""]);
  assert.match(shown.stderr, new RegExp(`ccx: survey ${id} is waiting, 0 of 1 parts`));
  assert.match((await ccx("list")).stdout, new RegExp(`^${id} +backtest +.*waiting`, "m"));
  assert.deepEqual((await ccx("cancel", id)).stdout, `Survey ${id} is canceled.\n`);
  assert.equal((await ccx("cancel", id)).code, 3);
  const again = await ccx(
    "ask",
    "backtest",
    "--target",
    serviceLog,
    "--from",
    "2026-01-01",
    "--to",
    "2026-01-02",
    "--json",
  );
  assert.deepEqual(
    JSON.parse(again.stdout).map(({ day, issues }: { day: string; issues: string }) => [day, issues]),
    [["2026-01-01", "0"]],
  );
  assert.equal((await ccx("show", "decisions")).code, 1);
  assert.match((await ccx("ask", "weather")).stderr, /no survey of the kind "weather"/);
  assert.match((await ccx("ask", "decisions", "--by", "colour")).stderr, /--by is one of/);
});
