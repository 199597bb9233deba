import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleContent } from "../../dev/samples/content.ts";
import { seeded } from "../../dev/samples/random.ts";
import { loadContent as loadFolder } from "../../src/content/source/load.ts";
import { ingestBatch } from "../../src/ingest/ingest_batch.ts";
import { parseMessage } from "../../src/ingest/parse_message.ts";
import { type Arrived, portionsOf } from "../../src/ingest/portions.ts";
import { retryRejected } from "../../src/ingest/retry.ts";
import { decideDue, type Row, rows, setPolicy, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { hostileMessage, seedMessages } from "../support/hostile_messages.ts";

const database = testDatabase();
/** `npm run fuzz` takes 100,000; SEED repeats a run. */
const inputs = Number(process.env.FUZZ_INPUTS ?? 5_000);
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const batchSize = 500;
const now = new Date();

/** Every view of ours over whatever is stored, each column printed. */
async function readEveryView(): Promise<void> {
  const views = await rows(
    database.pool,
    "select viewname as name from pg_views where schemaname = 'public' and viewname not like 'pg_stat%' order by 1",
  );
  assert.ok(views.length >= 10);
  for (const { name } of views) {
    await value(database.pool, `select sum(length(v::text)) from "${name}" v`).catch((error) =>
      assert.fail(`SEED=${seed}: view ${name}: ${error}`),
    );
  }
  assert.deepEqual(await rows(database.pool, "select * from drift"), [], `SEED=${seed}`);
}

/** The bytes, key and headers of what was rejected are what came. */
async function checkRejected(batch: Arrived[], reasons: Map<string, string>): Promise<number> {
  const kept = await rows(
    database.pool,
    "select kafka_offset, reason, detail, key, value, headers from rejected_message where kafka_offset between $1 and $2",
    [batch[0]?.offset, batch.at(-1)?.offset],
  );
  const byOffset = new Map(kept.map((row) => [row.kafka_offset, row]));
  for (const { offset, key, value: bytes } of batch) {
    const row = byOffset.get(offset);
    const why = `SEED=${seed}, input ${offset} (${bytes?.toString("base64").slice(0, 4_000)})`;
    assert.equal(row?.reason, reasons.get(offset), why);
    if (!row) continue;
    assert.deepEqual([row.key, row.value], [key, bytes], why);
    assert.match(String(row.detail), /^[A-Z].{9,400}\.$/s, why);
  }
  return kept.length;
}

test(`${inputs} hostile messages are each stored or rejected, and nothing chokes on them`, {
  timeout: 1_800_000,
}, async (t) => {
  t.diagnostic(`SEED=${seed} FUZZ_INPUTS=${inputs}`);
  await loadFolder(database.pool, sampleContent);
  await setPolicy(database.pool, "service log", { enabled: true }, now.toISOString());
  const random = seeded(seed);
  const seeds = seedMessages(random, now);
  const counts = { stored: 0, replaced: 0, unchanged: 0, rejected: 0, skipped: 0 };
  /** The keys of the reports that have to be there. */
  const expected = new Set<string>();
  const byReason: Record<string, number> = {};
  for (let done = 0; done < inputs; done += batchSize) {
    const size = Math.min(batchSize, inputs - done);
    const batch: Arrived[] = Array.from({ length: size }, (_, nth) => ({
      ...hostileMessage(random, seeds),
      offset: String(done + nth),
    }));
    const reasons = new Map<string, string>();
    for (const { offset, value: bytes } of batch) {
      const parsed = parseMessage(bytes, now);
      if (parsed.kind === "rejected") {
        reasons.set(offset, parsed.reason);
        byReason[parsed.reason] = (byReason[parsed.reason] ?? 0) + 1;
      } else expected.add(`${parsed.orgId} ${parsed.cluster} ${parsed.updatedAt}`);
    }
    for (const entries of portionsOf(batch, batchSize, () => now)) {
      const position = { topic: "fuzz", partition: 0, highWatermark: String(inputs) };
      const part = await ingestBatch(database.pool, position, entries).catch((error) =>
        assert.fail(
          `SEED=${seed}, inputs ${entries[0]?.message.offset}–${entries.at(-1)?.message.offset}: ${error}`,
        ),
      );
      for (const name of Object.keys(counts) as (keyof typeof counts)[]) counts[name] += part[name];
    }
    assert.equal(await checkRejected(batch, reasons), reasons.size, `SEED=${seed}`);
    if (done % 10_000 === 0)
      while ((await decideDue(database.pool, new Date().toISOString(), 100)).clusters > 0);
  }

  t.diagnostic(JSON.stringify({ ...counts, ...byReason }));
  assert.equal(counts.skipped, 0);
  assert.equal(
    counts.stored + counts.replaced + counts.unchanged + counts.rejected,
    inputs,
    "the books balance",
  );
  const stored = await rows(
    database.pool,
    `select org_id || ' ' || cluster || ' ' || to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as key
     from new_reports`,
  );
  assert.deepEqual(new Set(stored.map(({ key }) => String(key))), expected);
  assert.equal(stored.length, counts.stored);
  assert.equal(await value(database.pool, "select count(*)::integer from rejected_message"), counts.rejected);
  assert.equal(
    await value(database.pool, "select count(*)::integer from read_errors"),
    0,
    "a report is JSON",
  );
  assert.equal(byReason.not_storable, undefined, "our checks know what PostgreSQL takes");

  const reasonsNow = "select md5(string_agg(reason || detail, ',' order by id)) from rejected_message";
  const notified = await value(database.pool, reasonsNow);
  const none = { stored: 0, replaced: 0, unchanged: 0, done_already: 0 };
  const again = await retryRejected(database.pool, { until: now.toISOString() });
  assert.deepEqual(again, { ...none, rejected: 0 }, "all of them arrived later");
  const retried = await retryRejected(database.pool, {});
  assert.deepEqual(retried, { ...none, rejected: counts.rejected }, "what is rejected once stays so");
  assert.equal(await value(database.pool, reasonsNow), notified, "for the same reasons");
  assert.deepEqual(
    await value(database.pool, "select sum(attempts)::integer from rejected_message"),
    counts.rejected * 2,
  );

  while ((await decideDue(database.pool, new Date().toISOString(), 100)).clusters > 0);
  await readEveryView();
  const explained = await rows(
    database.pool,
    `select count(e.*)::integer as rows from (select * from new_reports order by md5(cluster || updated_at) limit 200) r
     cross join lateral explain_report(r.org_id, r.cluster, r.updated_at) e`,
  );
  assert.ok(Number((explained[0] as Row).rows) > 0);
  // else this test would try nothing but the first checks
  assert.ok(counts.stored > inputs / 50 && counts.replaced > 0 && counts.unchanged > 0, `SEED=${seed}`);
  assert.ok(counts.rejected > inputs / 10 && Object.keys(byReason).length >= 15, `SEED=${seed}`);
  assert.ok(
    Number(await value(database.pool, "select count(*) from notification")) > 0,
    "something is notified",
  );
});
