import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { faultAt, plainOf } from "../../src/console/fault.ts";
import { parseMessage } from "../../src/ingest/parse_message.ts";

const hit = { component: "a.b.disk.report", key: "KEY" };
const report = { system: {}, fingerprints: [], reports: [hit, hit, { ...hit, component: 7 }] };
const message = {
  ...{ Metadata: { OrgID: "é", component: 1 }, OrgID: 1, AccountNumber: 2 },
  ...{ ClusterName: "5d5892d3-1f74-4ccf-91af-548dfc9767aa", Report: { ...report, reports: [hit] } },
  ...{ LastChecked: "2026-01-31T23:59:59.123456Z", Version: 2 },
};

/** What of a message is marked, from the fault on, when it is refused as it is when it arrives. */
function marked(value: Buffer): string | undefined {
  const parsed = parseMessage(value, new Date("2026-02-01T00:00:00Z"));
  assert.equal(parsed.kind, "rejected");
  const bytes = plainOf(value);
  const at = faultAt(bytes, parsed.kind === "rejected" ? parsed.text : "");
  return at === undefined ? undefined : bytes.subarray(at, at + 12).toString();
}

test("the fault of a message is marked where it is, whatever the refusal says of its place", () => {
  const with_ = (changes: object) => JSON.stringify({ ...message, ...changes });
  const faults: [json: string, from: string | undefined][] = [
    [with_({ OrgID: "x" }), '"x","Account'],
    [with_({ ClusterName: "not a cluster" }), '"not a clust'],
    [with_({ Report: report }), '7,"key":"KEY'],
    [with_({ Report: [] }), '[],"LastChec'],
    [with_({ LastChecked: "2026-03-31T00:00:00Z" }), '"2026-03-31T'],
    [with_({ Version: 256 }), "256}"],
    [`${with_({}).slice(0, -1)},"OrgID":-1}`, "-1}"],
    ['{"é": 1,\n "b" 2}', "2}"],
    ['{"é": "\\ud800"}', "\\ud800"],
    [with_({}).slice(0, 30), ""],
    ['{"OrgID":', ""],
    [with_({ OrgID: undefined }), undefined],
  ];
  for (const [json, from] of faults)
    for (const value of [
      Buffer.from(json),
      gzipSync(json),
      Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(json)]),
    ]) {
      const found = marked(value);
      if (from === undefined || from === "") assert.equal(found, from, json);
      else assert.ok(found?.startsWith(from), `${json}: ${found}`);
    }
});

test("what is damaged stays as it is", () => {
  const damaged = gzipSync("{}").subarray(0, 12);
  assert.deepEqual(plainOf(damaged), damaged);
});
