import assert from "node:assert/strict";
import { test } from "node:test";
import { sizes } from "../../bench/storage.ts";
import { fillWeek, type Week } from "../../bench/support/week.ts";
import { rows } from "../support/builders.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";

const small = testDatabase();
const large = testDatabase();
// the same hours each time, so that days begin in the same rounds
const at = new Date("2026-03-10T12:00:00Z");
const weeks = new Map<TestDatabase, Week>([
  [small, { clusters: 60, rounds: 9, bytes: 2_000 }],
  [large, { clusters: 200, rounds: 18, bytes: 2_000 }],
]);

let made: Promise<unknown> | undefined;

function filled(): Promise<unknown> {
  made ??= Promise.all(
    [...weeks].map(async ([{ pool }, week]) => {
      const client = await pool.connect();
      try {
        await fillWeek(client, week, at);
      } finally {
        client.release();
      }
    }),
  );
  return made;
}

test("what the benchmark stores is what a service would have stored", async () => {
  await filled();
  for (const [{ pool }, { clusters, rounds }] of weeks) {
    assert.deepEqual(await rows(pool, "select * from drift limit 3"), []);
    assert.deepEqual(await rows(pool, "select * from delivery_gap limit 3"), []);
    const [counted] = await rows(
      pool,
      `select (select count(*)::integer from new_reports) as reports,
         (select count(*)::integer from reported) as reported,
         (select count(*)::integer from decision_due) as waiting,
         (select count(*)::integer from notification where state <> 'sent') as unsent,
         (select count(*)::integer from notification where state = 'sent') > 0 as notified,
         (select count(*)::integer from incumbent.new_reports) as incumbent_reports,
         (select count(*)::integer from incumbent.reported) as incumbent_reported`,
    );
    const reports = clusters * rounds;
    assert.deepEqual(counted, {
      reports,
      reported: 2 * reports,
      waiting: 0,
      unsent: 0,
      notified: true,
      incumbent_reports: reports,
      incumbent_reported: 8 * reports,
    });
    const [issue] = await rows(
      pool,
      "select count(*)::integer as rows, (select count(*)::integer from occurrence) as occurrences from issue",
    );
    // one hit of twenty is another one: what stays costs no row
    const hits = 2 * clusters;
    assert.ok(Number(issue?.occurrences) < hits + 0.1 * hits * rounds, `${issue?.occurrences} occurrences`);
  }
});

test("a report takes no more room the more there are, and less than a third of what it takes the incumbent's", async () => {
  await filled();
  const figures = await Promise.all(
    [...weeks].map(async ([{ pool }, week]) => {
      const client = await pool.connect();
      try {
        const { results, ratios } = await sizes(client, week);
        return {
          ratio: ratios.vs_incumbent ?? 1,
          each: new Map(results.map((row) => [row.case, row.median])),
        };
      } finally {
        client.release();
      }
    }),
  );
  const [few, many] = figures;
  assert.ok(few && many);
  for (const name of [
    "new_reports, for each report",
    "reported, for each report",
    "everything, for each report",
  ]) {
    const [before = 0, after = 0] = [few.each.get(name), many.each.get(name)];
    assert.ok(before > 0 && after < 1.1 * before, `${name}: ${before} bytes became ${after}`);
  }
  assert.ok(many.ratio < 0.3, `${many.ratio} of the incumbent's`);
  // the texts are what is large; an index more, or a column, shows
  const room = many.each.get("new_reports, for each report") ?? 0;
  const text = many.each.get("text of a report") ?? 0;
  assert.ok(room < 1.5 * text, `${room} bytes for ${text} characters`);
  const [indexes] = await rows(
    large.pool,
    `select sum(pg_indexes_size(oid)) / (select count(*) from new_reports) as bytes
     from pg_class where relname ~ '^new_reports_[0-9]{8}$'`,
  );
  assert.ok(Number(indexes?.bytes) < 130, `${indexes?.bytes} bytes of indexes for each report`);
});
