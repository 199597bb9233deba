import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";
import { below, hex, pick, type Random, seeded } from "../../dev/samples/random.ts";
import { ingestBatch } from "../../src/ingest/ingest_batch.ts";
import { parseWorkloads } from "../../src/ingest/parse_message.ts";
import { type Arrived, portionsOf } from "../../src/ingest/portions.ts";
import { retryRejected } from "../../src/ingest/retry.ts";
import { streams } from "../../src/ingest/streams.ts";
import { aCluster, rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { hostileMessage } from "../support/hostile_messages.ts";
import { refused, twoSessions, waitsForLock } from "../support/sessions.ts";
import {
  aRecommendation,
  aWorkloadsMessage,
  consumeWorkloads,
  storedNamespaces,
} from "../support/workloads.ts";

const database = testDatabase();
const none = { stored: 0, replaced: 0, unchanged: 0, rejected: 0, skipped: 0, elsewhere: 0 };

beforeEach(async () => {
  await database.pool.query(
    "truncate workload_report, workload_namespace, consumer_offset, rejected_message",
  );
});

/** A time of the day that all messages here are of. */
const at = (time: string) => `2026-03-01T${time}:00Z`;
/** A message about objects (`namespace/uid`) by rule. */
const about = (cluster: string, time: string, hits: Record<string, string[]>, changes = {}) =>
  aWorkloadsMessage(
    cluster,
    at(time),
    Object.entries(hits).map(([rule, objects]) => aRecommendation(rule, objects)),
    changes,
  );

let offset = 0;
/** Each message in a batch of its own. */
async function given(...messages: (string | Buffer)[]) {
  const results = [];
  for (const one of messages) results.push(await consumeWorkloads(database.pool, [one], { from: offset++ }));
  return results;
}
beforeEach(() => {
  offset = 0;
});

const report = (cluster: string) =>
  rows(
    database.pool,
    `select org_id::integer as org, to_char(updated_at at time zone 'UTC', 'HH24:MI') as at, request_id,
       jsonb_array_length(recommendations) as recommendations
     from workload_report where cluster = $1`,
    [cluster],
  );

test("recommendations are stored once for the cluster as they came, and counted by namespace", async () => {
  const cluster = aCluster();
  const recommendation = aRecommendation("limits", ["shop/1", "shop/2", "bank/3", "shop/2"], {
    details: { n: "@", text: "é" },
  });
  const text = aWorkloadsMessage(cluster, at("10:00"), [
    recommendation,
    aRecommendation("probes", ["shop/2", "shop/9"]),
    aRecommendation("none", []),
    aRecommendation("limits", ["bank/3"]),
  ]).replace('"@"', "12345678901234567890.10");
  assert.deepEqual(await consumeWorkloads(database.pool, [gzipSync(text)]), { ...none, stored: 1 });
  assert.deepEqual(await report(cluster), [{ org: 1, at: "10:00", request_id: "7af5", recommendations: 4 }]);
  assert.equal(
    await value(database.pool, "select recommendations #>> '{0,details,n}' from workload_report"),
    "12345678901234567890.10",
  );
  const end = cluster.slice(-2);
  assert.deepEqual(await storedNamespaces(database.pool), [
    `${end} of 1: bank since 10:00, 2 (limits|KEY 1, limits|KEY 1) about 1`,
    `${end} of 1: shop since 10:00, 2 (limits|KEY 3, probes|KEY 2) about 3`,
  ]);
  const moved = await rows(
    database.pool,
    "select next_offset, high_watermark, stored_at from consumer_offset",
  );
  assert.deepEqual(moved, [{ next_offset: "1", high_watermark: "1", stored_at: null }]);
  for (const table of ["new_reports", "latest_report", "issue", "decision_due"])
    assert.equal(await value(database.pool, `select count(*)::integer from ${table}`), 0, table);
});

test("a newer message takes the place of the one before; a namespace that stays keeps its time, one that comes back begins anew", async () => {
  const cluster = aCluster();
  const end = cluster.slice(-2);
  await given(about(cluster, "10:00", { limits: ["shop/1", "bank/2"] }));
  await given(about(cluster, "11:00", { probes: ["shop/1"] }));
  assert.deepEqual(await storedNamespaces(database.pool), [
    `${end} of 1: shop since 10:00, 1 (probes|KEY 1) about 1`,
  ]);
  await given(about(cluster, "12:00", { probes: ["shop/1"], limits: ["bank/2"] }));
  assert.deepEqual(await storedNamespaces(database.pool), [
    `${end} of 1: bank since 12:00, 1 (limits|KEY 1) about 1`,
    `${end} of 1: shop since 10:00, 1 (probes|KEY 1) about 1`,
  ]);
  await given(aWorkloadsMessage(cluster, at("13:00"), []));
  assert.deepEqual(await storedNamespaces(database.pool), []);
  assert.deepEqual((await report(cluster))[0]?.at, "13:00");
});

test("an old message after a newer one changes nothing, also of another organization", async () => {
  const cluster = aCluster();
  await given(about(cluster, "12:00", { limits: ["shop/1"] }));
  const before = [await report(cluster), await storedNamespaces(database.pool)];
  const counts = await given(
    about(cluster, "11:59", { probes: ["bank/2"] }),
    about(cluster, "11:00", { probes: ["bank/2"] }, { OrgID: 2 }),
    about(cluster, "12:00", { limits: ["shop/1"] }),
  );
  for (const one of counts) assert.deepEqual(one, { ...none, unchanged: 1 });
  assert.deepEqual([await report(cluster), await storedNamespaces(database.pool)], before);
});

test("the same time with other content is the same upload again: the later one counts", async () => {
  const cluster = aCluster();
  await given(about(cluster, "12:00", { limits: ["shop/1"] }));
  assert.deepEqual(await given(about(cluster, "12:00", { probes: ["shop/1"] }, { RequestId: "b" })), [
    { ...none, replaced: 1 },
  ]);
  assert.match(
    String(await storedNamespaces(database.pool)),
    /shop since 12:00, 1 \(probes\|KEY 1\) about 1$/,
  );
  assert.equal((await report(cluster))[0]?.request_id, "b");
});

test("a cluster belongs to the organization of its newest message, and begins anew there", async () => {
  const cluster = aCluster();
  const end = cluster.slice(-2);
  await given(about(cluster, "10:00", { limits: ["shop/1"] }));
  await given(about(cluster, "11:00", { limits: ["shop/1"] }, { OrgID: 2 }));
  assert.deepEqual(await storedNamespaces(database.pool), [
    `${end} of 2: shop since 11:00, 1 (limits|KEY 1) about 1`,
  ]);
  assert.deepEqual(await rows(database.pool, "select org_id::integer as org from workload_report"), [
    { org: 2 },
  ]);
  // at the very same time, the same one wins whichever comes first
  for (const order of [
    [3, 4],
    [4, 3],
  ]) {
    const one = aCluster();
    for (const OrgID of order) await given(about(one, "10:00", { limits: ["shop/1"] }, { OrgID }));
    assert.equal((await report(one))[0]?.org, 4, String(order));
  }
});

test("what does not conform is kept with its bytes and reason, and read again as what it is", async () => {
  const cluster = aCluster();
  const future = about(cluster, "10:00", { limits: ["shop/1"] }, { LastChecked: "2100-01-01T00:30:00Z" });
  const counts = await consumeWorkloads(database.pool, ["{", future, null, about(aCluster(), "10:00", {})]);
  assert.deepEqual(counts, { ...none, stored: 1, rejected: 3 });
  const kept = await rows(
    database.pool,
    "select topic, stream, reason, value, request_id, cluster from rejected_message order by id",
  );
  assert.deepEqual(
    kept.map(({ reason, request_id, cluster: whose }) => [reason, request_id, whose]),
    [
      ["not_json", null, null],
      ["future_last_checked", "7af5", cluster],
      ["tombstone", null, null],
    ],
  );
  assert.deepEqual(kept[1]?.value, Buffer.from(future));
  for (const { topic, stream } of kept) assert.deepEqual([topic, stream], ["workloads", "workloads"]);
  assert.equal(await value(database.pool, "select next_offset from consumer_offset"), "4");

  const valid = Buffer.from(about(cluster, "10:00", { limits: ["shop/1"] }));
  await database.pool.query("update rejected_message set value = $1 where reason = 'future_last_checked'", [
    valid,
  ]);
  const again = { stored: 1, replaced: 0, unchanged: 0, rejected: 2, done_already: 0 };
  assert.deepEqual(await retryRejected(database.pool, {}), again);
  assert.equal((await report(cluster))[0]?.recommendations, 1);
  assert.deepEqual(
    await rows(database.pool, "select reason from rejected_message where stored_at is not null"),
    [{ reason: "future_last_checked" }],
  );
});

test("a value that the database refuses is found and put aside, and the rest is stored", async () => {
  const [good, bad] = [aCluster(), aCluster()];
  await database.pool.query(
    `alter table workload_namespace add constraint for_the_test check (name <> 'refused') not valid`,
  );
  try {
    const counts = await consumeWorkloads(database.pool, [
      about(good, "10:00", { limits: ["shop/1"] }),
      about(bad, "10:00", { limits: ["refused/1"] }),
    ]);
    assert.deepEqual(counts, { ...none, stored: 1, rejected: 1 });
  } finally {
    await database.pool.query("alter table workload_namespace drop constraint for_the_test");
  }
  assert.deepEqual(await rows(database.pool, "select cluster, reason, stream from rejected_message"), [
    { cluster: bad, reason: "not_storable", stream: "workloads" },
  ]);
  assert.deepEqual([(await report(good)).length, (await report(bad)).length], [1, 0]);
});

test("what was consumed before is skipped, and the offset fences as it does for results", () =>
  rolledBack(database.pool, async (db) => {
    const element = (kafka_offset: number, updated_at: string) => ({
      ...{ kafka_offset, org_id: 1, cluster: aCluster(), updated_at, request_id: null },
      report: '{"workload_recommendations":[]}',
    });
    const ingest = async (batch: unknown[], highWatermark: number | null, expected: number | null) =>
      (
        await rows(db, "select * from ingest_workloads('w', 0, $1, $2, now(), $3)", [
          ...[JSON.stringify(batch), highWatermark, expected],
        ])
      )[0];
    const two = [element(0, at("10:00")), element(1, at("10:00"))];
    assert.deepEqual(await ingest(two, 9, null), { ...none, stored: 2, next_offset: "2" });
    assert.deepEqual(await ingest([...two, element(2, at("10:00"))], 9, 2), {
      ...none,
      ...{ stored: 1, skipped: 2, next_offset: "3" },
    });
    await refused(db, ["NTI01", /was created anew$/], () => ingest([], 2, null));
    await refused(db, ["NTI02", /it lost what it had$/], () => ingest([], 9, 4));
    await refused(db, "22P02", () => ingest([{ ...element(3, at("10:00")), report: "{" }], 9, null));
    await refused(db, "23502", () => ingest([{ ...element(3, at("10:00")), report: "{}" }], 9, null));
  }));

test("two that store the same new cluster at once wait for each other, and leave what one after the other leaves", () =>
  twoSessions(database.pool, async (first, second) => {
    const cluster = aCluster();
    const store = (time: string, objects: string[]) =>
      JSON.stringify([
        {
          ...{ kafka_offset: 0, org_id: 1, cluster, updated_at: at(time), request_id: null },
          report: JSON.stringify({ workload_recommendations: [aRecommendation("limits", objects)] }),
        },
      ]);
    const sql = "select * from ccx.store_workloads($1, 0, now())";
    await first.query(sql, [store("10:00", ["shop/1", "bank/1"])]);
    const pending = second.query(sql, [store("11:00", ["shop/1"])]);
    await waitsForLock(database.pool, second, pending);
    await first.query("commit");
    await pending;
    assert.match(String(await storedNamespaces(second)), /^\d\d of 1: shop since 10:00, [^,]*$/);
    await second.query("commit");
  }));

test("a day of recommendations that stay the same writes no namespace again, and no recommendation", async () => {
  const cluster = aCluster();
  const large = aRecommendation("limits", ["shop/1"], { details: { hex: hex(seeded(1), 40_000) } });
  await given(aWorkloadsMessage(cluster, at("10:00"), [large]));
  const toast = async () =>
    (
      await rows(
        database.pool,
        `select n.xmin::text as namespace, w.xmin::text as report, pg_column_toast_chunk_id(w.recommendations)::text as chunk
         from workload_report w join workload_namespace n using (cluster)`,
      )
    )[0];
  const hasChunkIds = Number(await value(database.pool, "show server_version_num")) >= 170_000;
  if (!hasChunkIds) return;
  const before = await toast();
  assert.ok(before?.chunk);
  await given(aWorkloadsMessage(cluster, at("12:00"), [large]));
  const after = await toast();
  assert.notEqual(after?.report, before.report, "the newest time is noted");
  assert.deepEqual([after?.namespace, after?.chunk], [before.namespace, before.chunk]);
});

/** Messages of few clusters, namespaces and times, so that all meet. */
function someMessages(random: Random, count: number): string[] {
  const clusters = Array.from({ length: 3 }, () => aCluster());
  return Array.from({ length: count }, () => {
    const hits = Object.fromEntries(
      ["limits", "probes"].map((rule) => [
        rule,
        Array.from({ length: below(random, 3) }, () => `n${below(random, 3)}/${below(random, 3)}`),
      ]),
    );
    const time = `1${below(random, 9)}:00`;
    return about(pick(random, clusters), time, hits, { OrgID: 1 + below(random, 2) });
  });
}

test("however messages are cut into batches, and delivered twice, they leave the same", async (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const random = seeded(seed);
  for (let round = 0; round < 12; round++) {
    const messages = someMessages(random, 20);
    await database.pool.query("truncate workload_report, workload_namespace, consumer_offset");
    offset = 0;
    await given(...messages);
    const [oneByOne, expected] = [
      await storedNamespaces(database.pool),
      await rows(database.pool, allReports),
    ];
    await database.pool.query("truncate workload_report, workload_namespace, consumer_offset");
    for (let from = 0; from < messages.length; ) {
      const size = 1 + below(random, 8);
      await consumeWorkloads(database.pool, messages.slice(from, from + size), { from });
      from += size;
    }
    assert.deepEqual(await storedNamespaces(database.pool), oneByOne, `SEED=${seed}`);
    assert.deepEqual(await rows(database.pool, allReports), expected, `SEED=${seed}`);
    const recounted = await rows(
      database.pool,
      `select n.cluster, n.namespace_id, n.name, n.recommendations, n.objects, n.hits from workload_namespace n
       except all
       select w.cluster, n.* from workload_report w cross join ccx.workload_namespaces(w.recommendations) n`,
    );
    assert.deepEqual(recounted, [], `SEED=${seed}`);
  }
});
const allReports =
  "select cluster, org_id, updated_at, recommendations from workload_report order by cluster";

test("hostile messages are each stored or rejected, and nothing chokes on them", async (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const random = seeded(seed);
  const seeds = someMessages(random, 40);
  const now = new Date("2026-03-02T00:00:00Z");
  const batch = Array.from(
    { length: 1_500 },
    (_, nth): Arrived => ({ ...hostileMessage(random, seeds), offset: String(nth) }),
  );
  const reasons = batch.map(({ value: bytes }) => {
    const parsed = parseWorkloads(bytes, now);
    return parsed.kind === "rejected" ? parsed.reason : undefined;
  });
  let [stored, rejected] = [0, 0];
  for (const entries of portionsOf(batch, 250, () => now, streams.workloads)) {
    const position = { topic: "fuzz", partition: 0, highWatermark: "1500" };
    const part = await ingestBatch(database.pool, position, entries, undefined, streams.workloads).catch(
      (error) => assert.fail(`SEED=${seed}: ${error}`),
    );
    stored += part.stored + part.replaced + part.unchanged;
    rejected += part.rejected;
  }
  const refusedByUs = reasons.filter((reason) => reason !== undefined);
  t.diagnostic(`${stored} taken, ${rejected} rejected, ${new Set(refusedByUs).size} reasons`);
  assert.deepEqual([stored + rejected, rejected], [1_500, refusedByUs.length], `SEED=${seed}`);
  assert.ok(stored > 100 && new Set(refusedByUs).size > 8, `SEED=${seed}`);
});

test("a namespace of which nothing changes is not written again when another one of its cluster changes", async () => {
  const cluster = aCluster();
  await given(about(cluster, "10:00", { limits: ["shop/1", "bank/1"] }));
  const versions = async () =>
    new Map(
      (await rows(database.pool, "select name, xmin::text as version from workload_namespace")).map(
        ({ name, version }) => [name, version],
      ),
    );
  const before = await versions();
  await given(about(cluster, "11:00", { limits: ["shop/1", "bank/1", "bank/2"] }));
  const after = await versions();
  assert.equal(after.get("shop"), before.get("shop"));
  assert.notEqual(after.get("bank"), before.get("bank"));
});
