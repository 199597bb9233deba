import assert from "node:assert/strict";
import { test } from "node:test";
import { below, pick, seeded } from "../../dev/samples/random.ts";
import { adoptCell } from "../../src/cell/sql.ts";
import { aMessage, decideDue, ingest, loadContent, type Row, rows } from "../support/builders.ts";
import { openDatabase, type TestDatabase } from "../support/database.ts";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Databases that share the buckets at random. */
async function openCells(count: number, random: () => number): Promise<(TestDatabase & AsyncDisposable)[]> {
  const owner = Array.from({ length: 256 }, (_, bucket) => (bucket < count ? bucket : below(random, count)));
  return Promise.all(
    Array.from({ length: count }, async (_, nth) => {
      const cell = await openDatabase({ poolSize: 2 });
      const mine = owner.flatMap((cellOf, bucket) => (cellOf === nth ? [`[${bucket},${bucket + 1})`] : []));
      if (count > 1) await adoptCell(cell.pool, `cell-${nth}`, `{${mine.join(",")}}`, nth === 0);
      return cell;
    }),
  );
}

const topic = "results";
const minute = (nth: number) => new Date(Date.UTC(2026, 2, 1, 12, nth)).toISOString();
const rules = ["disk", "net", "cpu", "etcd"];

type Batch = { at: string; partition: number; messages: Row[] };

/** Batches of two partitions: reports, late and again and replaced ones, rejected ones, with and without cluster. */
function aFeed(random: () => number): Batch[] {
  const clusters = Array.from({ length: 40 }, (_, nth) => ({ org: 1 + (nth % 3), name: uuid(random) }));
  const offsets = new Map([
    [3, 0],
    [200, 0],
  ]);
  const feed: Batch[] = [];
  for (let nth = 1; nth <= 16; nth++) {
    const partition = pick(random, [3, 200]);
    const messages = Array.from({ length: 1 + below(random, 40) }, (): Row => {
      const offset = offsets.get(partition) ?? 0;
      offsets.set(partition, offset + 1);
      const { org, name } = pick(random, clusters);
      if (random() < 0.15) {
        const owner = random() < 0.5 ? { org_id: org, cluster: name } : {};
        const bytes = Buffer.from(`broken ${offset}`).toString("base64");
        return { kafka_offset: offset, reason: "not_json", detail: "it is not", value: bytes, ...owner };
      }
      const hits = rules.filter(() => random() < 0.4);
      return aMessage(offset, name, minute(below(random, nth + 1) * 3), hits, { org_id: org });
    });
    feed.push({ at: minute(nth * 3), partition, messages });
    const before = feed.filter((batch) => batch.partition === partition);
    if (random() < 0.3) feed.push({ ...pick(random, before), at: minute(nth * 3) });
  }
  return feed;
}

function uuid(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => below(random, 16).toString(16)).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

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
