import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { parseMessage, parseWorkloads } from "../../src/ingest/parse_message.ts";
import type { RejectReason } from "../../src/ingest/reject_reasons.ts";
import { aRecommendation, aWorkloadsMessage } from "../support/workloads.ts";

const now = new Date("2026-03-01T12:00:00Z");
const cluster = "5D5892d3-1f74-4ccf-91af-548dfc9767aa";
const at = "2026-03-01T11:00:00.5Z";
const recommendation = aRecommendation("an_issue_pod|DVO_AN_ISSUE", ["shop/1", "shop/2"]);

const parse = (text: string | Buffer | null, maxBytes?: number) =>
  parseWorkloads(
    typeof text === "string" ? Buffer.from(text) : text,
    now,
    ...(maxBytes ? [{ maxBytes }] : []),
  );
const message = (changes: Record<string, unknown> = {}, recommendations: unknown = [recommendation]) =>
  aWorkloadsMessage(cluster, at, recommendations as unknown[], changes);
const metrics = (Metrics: unknown) => message({ Metrics });

function refused(text: string | Buffer | null, reason: RejectReason, saying = /./, maxBytes?: number): void {
  const result = parse(text, maxBytes);
  assert.ok(result.kind === "rejected", `accepted, should be ${reason}: ${String(text).slice(0, 200)}`);
  assert.equal(result.reason, reason, result.text);
  assert.match(result.text, saying);
}

test("a valid message is read into its parts; of its metrics only the recommendations are stored, as they came", () => {
  const odd = '[ {"component":"a.b.c","key":"K","details":{"n":12345678901234567890.10},"workloads":null} ]';
  const text = message({}, "@").replace('"@"', odd);
  const result = parse(text);
  assert.deepEqual(result, {
    kind: "report",
    orgId: 1,
    accountNumber: 42,
    cluster: cluster.toLowerCase(),
    updatedAt: "2026-03-01T11:00:00.500000Z",
    report: `{"workload_recommendations":${odd}}`,
    hitsHash: undefined,
    facts: { requestId: "7af5", gatheredAt: undefined, clusterVersion: undefined },
    growth: 0,
  });
  assert.deepEqual(parse(gzipSync(text)), result, "gzip or not");
  assert.equal(parseMessage(Buffer.from(text), now).kind, "rejected", "it is no result");
});

test("a message without recommendations is taken: then the cluster has none any more", () => {
  const result = parse(message({}, []));
  assert.equal(result.kind === "report" && result.report, '{"workload_recommendations":[]}');
});

test("what a recommendation need not say may be missing", () => {
  const object = { namespace_uid: "n" };
  for (const one of [
    { component: "a", key: "K" },
    { component: "a", key: "K", details: null, workloads: null },
    { component: "a", key: "K", workloads: [object, { ...object, uid: null, kind: null }, {}] },
  ])
    assert.equal(parse(message({}, [one])).kind, "report", JSON.stringify(one));
  for (const field of ["AccountNumber", "Version", "RequestId"])
    assert.equal(parse(message({ [field]: undefined })).kind, "report", field);
});

test("what is not as it should be is rejected, with a sentence that names the field", () => {
  refused(message({ Metrics: undefined }), "missing_report", /^Metrics is missing\.$/);
  refused(metrics(null), "missing_report", /^Metrics is missing\.$/);
  refused(metrics([]), "invalid_report", /^Metrics has to be an object, but is an array\.$/);
  refused(metrics("x"), "invalid_report", /^Metrics has to be an object/);
  refused(metrics({}), "invalid_report", /^Metrics\.workload_recommendations is missing\.$/);
  for (const list of [null, {}, 1, "x"])
    refused(
      metrics({ workload_recommendations: list }),
      "invalid_report",
      /^Metrics\.workload_recommendations/,
    );
  refused(
    message({}, [1]),
    "invalid_report",
    /workload_recommendations\[0\] has to be an object, but is 1\.$/,
  );
  const wrong: [changes: Record<string, unknown>, saying: RegExp][] = [
    [{ component: undefined }, /\[1\]\.component is missing/],
    [{ component: "" }, /component has to be a text of 1 to 255 characters, but is an empty text/],
    [{ component: "x".repeat(256) }, /component has to be a text of 1 to 255 characters/],
    [{ key: 7 }, /\[1\]\.key has to be a text of 1 to 255 characters, but is 7/],
    [{ details: [] }, /details has to be an object, but is an array/],
    [{ details: "x" }, /details has to be an object/],
    [{ workloads: {} }, /workloads has to be an array, but is an object/],
    [{ workloads: [null] }, /workloads\[0\] is missing/],
    [{ workloads: [{ uid: 1 }] }, /workloads\[0\]\.uid has to be a text, but is 1/],
    [{ workloads: [{}, { kind: [] }] }, /workloads\[1\]\.kind has to be a text/],
    [{ workloads: [{ namespace: 1 }] }, /workloads\[0\]\.namespace has to be a text/],
    [{ workloads: [{ name: {} }] }, /workloads\[0\]\.name has to be a text/],
    [
      { workloads: [{ namespace_uid: "x".repeat(257) }] },
      /namespace_uid has to be a text of at most 256 char/,
    ],
  ];
  for (const [changes, saying] of wrong)
    refused(message({}, [recommendation, { ...recommendation, ...changes }]), "invalid_report", saying);
});

test("the envelope is that of results: the same checks, reasons and order", () => {
  const cases: [Record<string, unknown>, RejectReason][] = [
    [{ OrgID: undefined, Metrics: 1 }, "missing_org_id"],
    [{ OrgID: 0 }, "invalid_org_id"],
    [{ AccountNumber: -1 }, "invalid_account_number"],
    [{ ClusterName: undefined }, "missing_cluster_name"],
    [{ ClusterName: "shop" }, "invalid_cluster_name"],
    [{ LastChecked: undefined }, "missing_last_checked"],
    [{ LastChecked: "yesterday" }, "invalid_last_checked"],
    [{ LastChecked: "2026-03-01T12:05:01Z" }, "future_last_checked"],
    [{ Version: 256 }, "invalid_version"],
  ];
  for (const [changes, reason] of cases) refused(message(changes), reason);
  const future = parse(message({ LastChecked: "2026-03-01T12:30:00Z" }));
  assert.ok(future.kind === "rejected");
  assert.deepEqual(
    [future.orgId, future.cluster, future.requestId, future.retryAt],
    [1, cluster.toLowerCase(), "7af5", "2026-03-01T12:25:00.001Z"],
  );
});

test("what is no JSON that PostgreSQL stores, or too large, is rejected before anything is read of it", () => {
  refused(null, "tombstone");
  refused("", "empty");
  refused("{", "not_json");
  refused("[]", "not_object");
  refused(message().replace("shop", "\\u0000"), "nul_character");
  refused(message().replace("shop", "\\ud800"), "invalid_surrogate");
  refused(message({ extra: "@" }).replace('"@"', "1e200000"), "invalid_number");
  refused(message({ extra: "@" }).replace('"@"', "[".repeat(200)), "too_deep");
  refused(Buffer.concat([Buffer.from(message()), Buffer.from([0xff])]), "invalid_utf8");
  refused(gzipSync(message()).subarray(0, 40), "bad_compression");
  refused(message({ padding: "x".repeat(2_000) }), "too_large", /larger than the 1000 bytes/, 1_000);
  const bomb = gzipSync(message({ padding: "0".repeat(20 * 1024 * 1024) }), { level: 9 });
  assert.ok(bomb.length < 100_000);
  refused(bomb, "too_large", /^The message, decompressed, is larger than the 10485760 bytes allowed\.$/);
});
