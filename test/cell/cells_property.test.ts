import assert from "node:assert/strict";
import { test } from "node:test";
import { below, seeded } from "../../dev/samples/random.ts";
import { adoptCell } from "../../src/cell/sql.ts";
import { decideDue, ingest, loadContent, rows } from "../support/builders.ts";
import { aFeed, type Batch, openCells, rules } from "../support/cells.ts";
import { openDatabase, type TestDatabase } from "../support/database.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

const topic = "results";
/** What people and receivers see, without the numbers that each database gives by itself. */
const answers = {
  decisions: `select target, org_id, cluster, component, error_key, decision, reasons, occurrence, issue_state,
      last_notified_at, next_eligible_at, first_seen, last_seen from explain_at('2026-03-01T13:00:00Z')`,
  ledger: `select n.target_id, i.org_id, i.cluster, r.component, r.error_key, n.occurrence, n.notified_at,
      n.cooldown_period, n.superseded_at
    from notified_issue n join issue i on i.id = n.issue_id join rule r on r.id = i.rule_id`,
  reported: "select * from reported",
  reports: "select org_id, cluster, updated_at, report, kafka_offset, received_at from new_reports",
  rejected: `select topic, partition, kafka_offset, reason, value, org_id, cluster from rejected_message`,
  occurrences: `select i.cluster, i.rule_id is not null as has_rule, o.occurrence, o.opened_at, o.closed_at
    from occurrence o join issue i on i.id = o.issue_id`,
  drift: "select * from drift",
};

/** One text for each row of all these databases. */
async function answersOf(cells: TestDatabase[], sql: string): Promise<string[]> {
  const all = await Promise.all(cells.map(({ pool }) => rows(pool, `select r::text as row from (${sql}) r`)));
  return all
    .flat()
    .map(({ row }) => String(row))
    .sort();
}

test(`one database and 2 and 5 cells answer the same, whatever arrives (SEED=${seed})`, async () => {
  const random = seeded(seed);
  await using owned = new AsyncDisposableStack();
  const fleets: TestDatabase[][] = [];
  for (const count of [1, 2, 5]) {
    const cells = await openCells(count, random);
    for (const cell of cells) {
      owned.use(cell);
      await loadContent(cell.pool, rules);
    }
    fleets.push(cells);
  }
  for (const [nth, { at, partition, messages }] of aFeed(random).entries()) {
    const sums: Record<string, number>[] = [];
    const ends: unknown[] = [];
    for (const cells of fleets) {
      const counts = await Promise.all(
        cells.map(async ({ pool }) => {
          const { next_offset, ...counts } = await ingest(pool, messages, { at, topic, partition });
          ends.push(next_offset);
          const total = Object.values(counts).reduce<number>((sum, count) => sum + Number(count), 0);
          assert.equal(total, messages.length, `batch ${nth}: ${JSON.stringify(counts)}`);
          await decideDue(pool, at);
          return counts as Record<string, number>;
        }),
      );
      const sum = (name: string) => counts.reduce((sum, one) => sum + Number(one[name]), 0);
      sums.push(
        Object.fromEntries(["stored", "replaced", "unchanged", "rejected"].map((it) => [it, sum(it)])),
      );
      if (cells.length === 1) assert.equal(sum("elsewhere"), 0);
    }
    assert.equal(new Set(ends).size, 1, `batch ${nth}: all are at the same offset, ${ends}`);
    for (const one of sums)
      assert.deepEqual(one, sums[0], `batch ${nth}: each message is in exactly one cell`);
  }
  const [one = [], ...others] = fleets;
  for (const [name, sql] of Object.entries(answers)) {
    const expected = await answersOf(one, sql);
    if (name === "drift") assert.deepEqual(expected, []);
    else assert.ok(expected.length > 20, `${name}: only ${expected.length} rows`);
    for (const cells of others)
      assert.deepEqual(await answersOf(cells, sql), expected, `${name}, ${cells.length}`);
  }
});

test(`a split and a move in the middle of a feed lose nothing and notify nobody twice (SEED=${seed})`, async () => {
  const random = seeded(seed);
  await using owned = new AsyncDisposableStack();
  const feed = aFeed(random);
  const half = Math.floor(feed.length / 2);
  const take = async ({ pool }: TestDatabase, { at, partition, messages }: Batch) => {
    const counts = await ingest(pool, messages, { at, topic, partition });
    await decideDue(pool, at);
    return counts;
  };
  const one = owned.use(await openDatabase());
  const whole = owned.use(await openDatabase());
  for (const { pool } of [one, whole]) await loadContent(pool, rules);
  for (const batch of feed) await take(one, batch);
  for (const batch of feed.slice(0, half)) await take(whole, batch);

  const copy = async (from: TestDatabase) => {
    await from.pool.end();
    return owned.use(await openDatabase({ template: new URL(from.url).pathname.slice(1) }));
  };
  const first = await copy(whole);
  const second = owned.use(await openDatabase({ template: new URL(whole.url).pathname.slice(1) }));
  const bound = 64 + below(random, 128);
  await adoptCell(first.pool, "one", `{[0,${bound})}`, true);
  await adoptCell(second.pool, "two", `{[${bound},256)}`, false);
  const middle = half + Math.floor((feed.length - half) / 2);
  for (const cell of [first, second]) for (const batch of feed.slice(half, middle)) await take(cell, batch);

  const moved = await copy(second);
  const again = feed[middle - 1] as Batch;
  const { skipped, elsewhere } = await take(moved, again);
  assert.equal(Number(skipped) + Number(elsewhere), again.messages.length, "the last portion is skipped");
  for (const cell of [first, moved]) for (const batch of feed.slice(middle)) await take(cell, batch);

  for (const [name, sql] of Object.entries(answers))
    assert.deepEqual(await answersOf([first, moved], sql), await answersOf([one], sql), name);
});
