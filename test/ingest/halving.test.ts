import assert from "node:assert/strict";
import { test } from "node:test";
import { DatabaseClock } from "../../src/ingest/clock.ts";
import { halving, type Patience } from "../../src/ingest/ingest_batch.ts";
import { type Arrived, type Entry, portionsOf } from "../../src/ingest/portions.ts";
import { aCluster, aReport } from "../support/reports.ts";

const now = () => new Date("2026-03-01T12:00:00Z");
const patience = (isOver: boolean): Patience => ({ isOver: () => isOver, now });
const failing = (code: string) => Object.assign(new Error(`it fails by ${code}`), { code });

/** Reports of so many clusters, at the offsets from 0 on. */
function entriesOf(count: number): Entry[] {
  const LastChecked = "2026-03-01T11:00:00Z";
  const messages = Array.from({ length: count }, (_, offset): Arrived => {
    const value = Buffer.from(aReport(aCluster(), ["bug"], { LastChecked }));
    return { offset: String(offset), key: null, value, headers: {} };
  });
  return [...portionsOf(messages, count, now)].flat();
}

/** A database that does not get these offsets done, and what it has stored: reasons by offset. */
function database(code: string, guilty: (offset: number) => boolean, where?: string) {
  const stored = new Map<number, { reason?: string; retry_at?: string }>();
  let calls = 0;
  const store = async (batch: string) => {
    calls++;
    const elements = JSON.parse(batch) as { kafka_offset: string; reason?: string; retry_at?: string }[];
    if (elements.some((one) => !one.reason && guilty(Number(one.kafka_offset))))
      throw Object.assign(failing(code), { where });
    for (const { kafka_offset, reason, retry_at } of elements)
      stored.set(Number(kafka_offset), { ...(reason && { reason }), ...(retry_at && { retry_at }) });
  };
  return { stored, store, calls: () => calls };
}

for (const code of ["57014", "55P03", "25P04", "57P05", "25P03", "40001", "40P01", "53200", "53400"])
  test(`${code}: a portion is left alone at first, then halved; the guilty message is put aside, the rest stored`, async () => {
    const entries = entriesOf(50);
    const { stored, store } = database(code, (offset) => offset === 17 || offset === 33);
    await assert.rejects(halving(entries, store, patience(false)), { code });
    assert.equal(stored.size, 0);
    await halving(entries, store, patience(true));
    const aside = { reason: "timed_out", retry_at: "2026-03-01T12:10:00.000Z" };
    assert.deepEqual(
      [...stored].filter(([, { reason }]) => reason),
      [17, 33].map((offset) => [offset, aside]),
    );
    assert.equal(stored.size, 50);
  });

for (const code of ["57P01", "53100", "ECONNRESET", "NTI02", "42P01"])
  test(`${code}: no message is to blame, however often it fails`, async () => {
    const { stored, store, calls } = database(code, (offset) => offset === 17);
    await assert.rejects(halving(entriesOf(50), store, patience(true)), { code });
    assert.deepEqual([stored.size, calls()], [0, 1]);
  });

test("where nothing gets done hardly any message is put aside before all wait", async () => {
  const { stored, store, calls } = database("55P03", () => true);
  await assert.rejects(halving(entriesOf(1_000), store, patience(true)), { code: "55P03" });
  assert.ok(stored.size < 40 && calls() < 80, `${stored.size} put aside, ${calls()} calls`);
});

test("what the database refuses is rejected at once and for good", async () => {
  const { stored, store } = database("22P02", (offset) => offset === 3);
  await halving(entriesOf(8), store, patience(false));
  assert.deepEqual(stored.get(3), { reason: "not_storable" });
  assert.equal(stored.size, 8);
});

test("what somebody's trigger lacks, or may not do, refuses the message until a person has mended it", async () => {
  for (const code of ["42501", "42P01"]) {
    const where = "PL/pgSQL function audit() line 3 at SQL statement";
    const { stored, store } = database(code, (offset) => offset === 3, where);
    await halving(entriesOf(8), store, patience(false));
    assert.deepEqual(stored.get(3), { reason: "not_storable", retry_at: "2026-03-01T12:10:00.000Z" }, code);
    assert.equal(stored.size, 8);
  }
});

test("the database's clock says what is in the future, and a difference of more than a minute is logged once", async () => {
  const said: string[] = [];
  const note = (_fields: object, text: string) => void said.push(text);
  const databaseMs = Date.parse("2026-03-01T12:00:00Z");
  const pool = { query: async () => ({ rows: [{ clock: new Date(databaseMs).toISOString() }] }) };
  const clock = new DatabaseClock(
    pool as never,
    { error: note, info: note } as never,
    () => databaseMs - 600_000,
  );
  assert.equal(clock.now().getTime(), databaseMs - 600_000);
  await clock.look();
  await clock.look();
  assert.ok(Math.abs(clock.now().getTime() - databaseMs) < 5_000, "a slow machine does not matter");
  assert.equal(said.length, 1);
  assert.match(said[0] ?? "", /clocks .* differ by more than a minute/);
});

test("a report of up to a day ahead is kept for its time, one of later is not", () => {
  const reasonOf = (LastChecked: string) => {
    const value = Buffer.from(aReport(aCluster(), [], { LastChecked }));
    const [[entry] = []] = [...portionsOf([{ offset: "0", key: null, value, headers: {} }], 1, now)];
    const { reason, retry_at } = JSON.parse(entry?.json ?? "{}");
    return [reason, retry_at];
  };
  assert.deepEqual(reasonOf("2026-03-01T12:04:00Z"), [undefined, undefined]);
  assert.deepEqual(reasonOf("2026-03-01T12:10:00Z"), ["future_last_checked", "2026-03-01T12:05:00.001Z"]);
  assert.deepEqual(reasonOf("2026-03-03T12:10:00Z"), ["future_last_checked", undefined]);
});
