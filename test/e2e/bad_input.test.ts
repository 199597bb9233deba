import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { aCluster, aReport } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";

const mebibyte = 1024 * 1024;
const cluster = aCluster();
const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
const withField = (fields: Record<string, unknown>) => aReport(cluster, ["tutorial"], fields);
const latin1 = (text: string) => Buffer.from(text, "latin1");

/** What comes in, by the reason for which it is rejected. */
const bad: [reason: string, what: string, value: Buffer | string | null][] = [
  ["tombstone", "a tombstone", null],
  ["empty", "an empty value", ""],
  ["empty", "blanks", " \n"],
  ["not_json", "text", "hello"],
  ["not_json", "a message that was cut off", aReport(cluster, ["bug"]).slice(0, 200)],
  ["not_object", "an array", "[1, 2]"],
  ["not_object", "null", "null"],
  ["invalid_utf8", "bad UTF-8", latin1(withField({ RequestId: "\u00e9" }))],
  ["nul_character", "a NUL byte", withField({ RequestId: "a" }).replace('"a"', '"\0"')],
  ["nul_character", "an escaped NUL", withField({ RequestId: "\0" })],
  ["invalid_surrogate", "half of a surrogate pair", withField({ RequestId: "\ud800" })],
  ["too_large", "more than 10 MiB", withField({ padding: "x".repeat(10 * mebibyte) })],
  [
    "too_large",
    "more than 10 MiB once inflated",
    gzipSync(withField({ padding: "x".repeat(10 * mebibyte) })),
  ],
  ["bad_compression", "gzip that was cut off", gzipSync(withField({})).subarray(0, 60)],
  ["too_deep", "arrays 10,000 deep", withField({ deep: 0 }).replace('"deep":0', `"deep":${nested(10_000)}`)],
  ["invalid_number", "a number too large", withField({ n: 0 }).replace('"n":0', '"n":1e999999')],
  ["missing_org_id", "no OrgID", withField({ OrgID: undefined })],
  ["invalid_org_id", "an OrgID that is a text", withField({ OrgID: "1" })],
  ["invalid_org_id", "OrgID 0", withField({ OrgID: 0 })],
  ["invalid_account_number", "a wrong AccountNumber", withField({ AccountNumber: -1 })],
  ["missing_cluster_name", "no ClusterName", withField({ ClusterName: undefined })],
  ["invalid_cluster_name", "a ClusterName that is no UUID", withField({ ClusterName: "cluster" })],
  ["missing_report", "no Report", withField({ Report: undefined })],
  ["invalid_report", "a Report that is a text", withField({ Report: "{}" })],
  ["invalid_report", "a Report without reports", withField({ Report: { system: {}, fingerprints: [] } })],
  ["missing_last_checked", "no LastChecked", withField({ LastChecked: undefined })],
  ["invalid_last_checked", "a LastChecked that is no time", withField({ LastChecked: "yesterday" })],
  ["future_last_checked", "a LastChecked six minutes ahead", withField({ LastChecked: inMinutes(6) })],
  ["invalid_version", "a Version that is a text", withField({ Version: "2" })],
];

scenario(
  "what does not conform is kept with its reason, and the good message behind it is stored",
  {},
  async (scene) => {
    const good: string[] = [];
    for (const [, , value] of bad) {
      const behind = aCluster();
      good.push(behind);
      // one by one: the large ones together would be more than the broker takes
      await scene.topics.produce([value], { headers: { "x-test": "a header" } });
      await scene.topics.produce([aReport(behind, ["bug"])]);
    }
    const service = scene.start("consume");
    await scene.consumed(bad.length * 2);

    const rejected = await scene.rows(
      "select kafka_offset::integer, reason, detail, value, headers from rejected_message order by kafka_offset",
    );
    assert.deepEqual(
      rejected.map(({ kafka_offset, reason }) => [reason, Number(kafka_offset)]),
      bad.map(([reason], nth) => [reason, nth * 2]),
    );
    for (const [nth, [reason, what, value]] of bad.entries()) {
      const row = rejected[nth] as { value: Buffer | null; detail: string; headers: unknown };
      const raw = value === null ? null : Buffer.from(value);
      assert.ok(
        raw === null ? row.value === null : row.value?.equals(raw),
        `${what}: the raw bytes are kept`,
      );
      assert.deepEqual(row.headers, { "x-test": [Buffer.from("a header").toString("base64")] });
      assert.match(row.detail, /^[A-Z].{9,200}\.$/s, `${what} is explained by a sentence`);
      const field = /_(org_id|account_number|cluster_name|report|last_checked|version)$/.exec(reason)?.[1];
      if (field) assert.match(row.detail.toLowerCase(), new RegExp(`^${field.replace("_", "")}`), what);
    }
    const stored = await scene.rows("select cluster from new_reports order by kafka_offset");
    assert.deepEqual(
      stored.map((row) => row.cluster),
      good,
    );
    await service.stop();
    assert.doesNotMatch(JSON.stringify(service.lines), /hello|yesterday|a header/, "no payload in the log");
  },
);

scenario("what is only unusual is stored", {}, async (scene) => {
  const clusters = Array.from({ length: 6 }, aCluster);
  const [a = "", b = "", c = "", d = "", e = "", f = ""] = clusters;
  await scene.topics.produce([
    aReport(a, ["bug"], { AccountNumber: undefined, Version: undefined }),
    aReport(b, ["bug"], { Nobody: "knows this key", RequestId: "€ 漢字 🎉" }),
    aReport(c.toUpperCase(), ["bug"]),
    aReport(d, ["bug"], { LastChecked: inMinutes(4) }),
    `\ufeff${aReport(e, [])}\n`,
    aReport(f, [], { LastChecked: "2020-04-02T11:00:05.268294+02:00" }),
  ]);
  const service = scene.start("consume");
  await scene.consumed(6);
  const stored = await scene.rows(
    "select cluster, account_number, updated_at from new_reports order by kafka_offset",
  );
  assert.deepEqual(
    stored.map(({ cluster }) => cluster),
    clusters,
  );
  assert.deepEqual(
    stored.map(({ account_number }) => account_number),
    ["0", "42", "42", "42", "42", "42"],
  );
  assert.equal(stored[5]?.updated_at, "2020-04-02T09:00:05.268294Z");
  await service.stop();
});

scenario("an older, a repeated and a replaced report do what they should", {}, async (scene) => {
  const one = aCluster();
  const older = aReport(one, ["bug"]);
  const newer = aReport(one, ["bug", "proxy"]);
  const again = JSON.parse(newer);
  again.Report.reports.pop();
  const service = scene.start("consume", { env: { CCX_BATCH_SIZE: "1" } });
  await scene.topics.produce([newer, older, newer, JSON.stringify(again)]);
  const counts = await service.ingestedAll(4);
  assert.deepEqual(counts, { stored: 2, replaced: 1, unchanged: 1, rejected: 0, skipped: 0 });
  const open = "select error_key from issue join rule on rule.id = rule_id where closed_at is null";
  assert.deepEqual(await scene.rows(open), [{ error_key: "BUGZILLA_BUG_1766907" }]);
  await service.stop();
});

function nested(depth: number): string {
  return "[".repeat(depth) + "]".repeat(depth);
}
