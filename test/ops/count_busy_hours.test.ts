import assert from "node:assert/strict";
import { test } from "node:test";
import { aCluster, addReports, decideDue, loadContent, rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = (time: string) => `2026-03-01T${time}:00Z`;
const count = (time: string) => database.pool.query("select ccx.count_busy_hours($1)", [at(time)]);
const hours = async () =>
  (
    await rows(
      database.pool,
      `select to_char(hour at time zone 'UTC', 'HH24') as hour, reports, notified, skipped from busy_hour
       where reports + notified + skipped > 0 order by busy_hour.hour`,
    )
  ).map(({ hour, reports, notified, skipped }) => [hour, reports, notified, skipped].join(" "));

/** A cluster reports, and is decided on. */
async function reports(cluster: string, time: string, hits = ["disk|KEY"]): Promise<void> {
  await addReports(database.pool, [{ cluster, at: at(time), arrived: at(time), hits }]);
  await decideDue(database.pool, at(time));
}

test("an hour is counted until it has ended, keeps its clusters, and is forgotten after two days", async () => {
  await loadContent(database.pool, ["disk|KEY"], "2026-02-01");
  const [one, two, three] = [aCluster(), aCluster(), aCluster()];
  await reports(one, "07:30");
  await reports(two, "08:10");
  await reports(three, "08:15");
  await count("08:20");
  assert.deepEqual(await hours(), ["07 1 1 0", "08 2 2 0"], "the day before is counted at first");

  await reports(one, "08:50");
  await reports(two, "09:05");
  await reports(three, "09:05");
  await count("09:06");
  assert.deepEqual(
    await hours(),
    ["07 1 1 0", "08 2 2 1", "09 2 0 2"],
    "what came after the last count is counted, and who reported again stays in its hour",
  );

  await reports(one, "09:10");
  await count("09:20");
  await count("09:30");
  assert.deepEqual(await hours(), ["07 1 1 0", "08 2 2 1", "09 3 0 3"]);

  await database.pool.query("select ccx.count_busy_hours($1::timestamptz + interval '47 hours')", [
    at("09:00"),
  ]);
  assert.deepEqual(await hours(), ["08 2 2 1", "09 3 0 3"]);
});

test("a sweep counts, every ten minutes", async () => {
  await database.pool.query("truncate busy_hour");
  const counted = "select count(*)::integer from busy_hour";
  await database.pool.query("update sweep_mark set counted_at = '-infinity'");
  await database.pool.query("select ccx.sweep($1)", [at("10:00")]);
  assert.ok(Number(await value(database.pool, counted)) > 0);
  await database.pool.query("truncate busy_hour");
  await database.pool.query("select ccx.sweep($1)", [at("10:09")]);
  assert.equal(await value(database.pool, counted), 0);
  await database.pool.query("select ccx.sweep($1)", [at("10:10")]);
  assert.ok(Number(await value(database.pool, counted)) > 0);
});
