import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { resultOf } from "../../dev/demo/send.ts";
import { type SampleMessage, sampleMessages } from "../../dev/samples/samples.ts";
import { readContent } from "../../src/content/source/read.ts";
import { parseMessage } from "../../src/ingest/parse_message.ts";

const now = new Date("2026-03-01T12:00:00Z");
const generate = (reports: number, seed = 1) => sampleMessages({ reports, seed, now });
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$/;

const isGzip = (value: Buffer) => value[0] === 0x1f && value[1] === 0x8b;
const textOf = (value: Buffer) => (isGzip(value) ? gunzipSync(value) : value).toString();
const count = (messages: SampleMessage[], expect: string) =>
  messages.filter((message) => message.expect === expect).length;

type Hit = { component: string; key: string; rule_id: string; details: Record<string, unknown> };
type Report = {
  OrgID: number;
  AccountNumber?: number;
  ClusterName: string;
  LastChecked: string;
  Metadata: { gathering_time: string };
  Report: { reports: Hit[] };
};
const validOf = (messages: SampleMessage[]): Report[] =>
  messages
    .filter((message) => message.expect !== "rejected")
    .map((message) => JSON.parse(textOf(message.value)));
const hitsOf = (report: Report) => report.Report.reports.map((hit) => `${hit.component}|${hit.key}`).sort();

/** What a consumer would say, from the rules of the topic alone. */
function judge(messages: SampleMessage[]): string[] {
  const stored = new Map<string, string>();
  return messages.map(({ value }) => {
    let message: Partial<Report> | undefined;
    try {
      message = JSON.parse(textOf(value));
    } catch {
      return "rejected";
    }
    if (!Number.isInteger(message?.OrgID) || !uuid.test(message?.ClusterName ?? "")) return "rejected";
    if (!rfc3339.test(message?.LastChecked ?? "") || !message?.Report?.reports) return "rejected";
    if (Date.parse(message.LastChecked ?? "") > now.getTime() + 300_000) return "rejected";
    // a timestamp in PostgreSQL has microseconds
    const micros = (message.LastChecked ?? "").replace(/Z$/, "").slice(0, 26);
    const key = `${message.OrgID} ${message.ClusterName} ${micros}`;
    const hits = JSON.stringify(message.Report.reports);
    const before = stored.get(key);
    stored.set(key, hits);
    if (before === undefined) return "stored";
    return before === hits ? "unchanged" : "replaced";
  });
}

test("the same seed gives the same bytes, another seed gives others", () => {
  assert.deepEqual(generate(300), generate(300));
  assert.notDeepEqual(generate(300), generate(300, 2));
});

test("there are as many messages as asked for", () => {
  for (const reports of [0, 1, 2, 7, 99, 100, 101, 1000]) assert.equal(generate(reports).length, reports);
});

test("what is expected of each message is what an independent recount finds", () => {
  for (const seed of [1, 2, 3, 4, 5])
    for (const reports of [10, 100, 2000]) {
      const messages = generate(reports, seed);
      assert.deepEqual(
        messages.map((message) => message.expect),
        judge(messages),
      );
    }
});

test("from 100 messages on every kind occurs, in about its share", () => {
  for (let seed = 0; seed < 50; seed++) {
    const messages = generate(100, seed);
    for (const expect of ["stored", "unchanged", "replaced", "rejected"])
      assert.ok(count(messages, expect) > 0, expect);
    assert.ok(messages.some((message) => isGzip(message.value)));
  }
  const many = generate(4000);
  assert.equal(count(many, "rejected"), 80);
  assert.equal(count(many, "unchanged"), 40);
  assert.equal(count(many, "replaced"), 20);
});

test("a duplicate follows its original and has the same bytes", () => {
  const messages = generate(1000);
  for (const [position, message] of messages.entries())
    if (message.expect === "unchanged") assert.deepEqual(message.value, messages[position - 1]?.value);
});

test("invalid messages are invalid in five ways", () => {
  const kinds = generate(1000)
    .filter((message) => message.expect === "rejected")
    .map(({ value }) => {
      if (value.length === 0) return "empty";
      try {
        const message = JSON.parse(textOf(value));
        if (message.OrgID === undefined) return "no org";
        if (!uuid.test(message.ClusterName)) return "wrong cluster";
        return Date.parse(message.LastChecked) - now.getTime() === 3_600_000 ? "future" : "unknown";
      } catch {
        return "bad json";
      }
    });
  assert.deepEqual([...new Set(kinds)].sort(), ["bad json", "empty", "future", "no org", "wrong cluster"]);
});

test("valid reports lie within the day before now, oldest first, and end with a line break", () => {
  const messages = generate(2000).filter((message) => message.expect !== "rejected");
  assert.ok(messages.every((message) => message.key === null && textOf(message.value).endsWith("}\n")));

  let previous = now.getTime() - 24 * 3_600_000;
  for (const report of validOf(messages)) {
    assert.match(report.LastChecked, rfc3339);
    const at = Date.parse(report.LastChecked);
    // the fraction may be cut, so a report can name a time up to a second before its own
    assert.ok(at >= previous - 1000 && at <= now.getTime(), report.LastChecked);
    assert.ok(Date.parse(report.Metadata.gathering_time) < at);
    previous = at;
  }
});

test("clusters belong to one organisation each and report about every two hours", () => {
  const clusters = new Map<string, Report[]>();
  for (const report of validOf(generate(2000).filter((message) => message.expect === "stored")))
    clusters.set(report.ClusterName, [...(clusters.get(report.ClusterName) ?? []), report]);

  assert.equal(clusters.size, 500);
  const all = [...clusters.values()];
  assert.equal(new Set(all.flat().map((report) => report.OrgID)).size, 100);
  assert.ok(all.flat().some((report) => report.AccountNumber === undefined));
  assert.ok(all.flat().some((report) => report.AccountNumber !== undefined));
  for (const reports of all) {
    assert.equal(new Set(reports.map((report) => report.OrgID)).size, 1);
    for (const [nth, report] of reports.entries()) {
      const before = reports[nth - 1];
      if (!before) continue;
      const minutes = (Date.parse(report.LastChecked) - Date.parse(before.LastChecked)) / 60_000;
      assert.ok(minutes > 114 && minutes < 126, String(minutes));
    }
  }
});

test("issues stay, come, go and come back, and their details vary", () => {
  const seen = { stays: 0, comes: 0, goes: 0, comesBack: 0, otherDetails: 0 };
  const clusters = new Map<string, { current: Map<string, string>; ever: Set<string> }>();
  for (const report of validOf(generate(2000))) {
    const hits = new Map(
      report.Report.reports.map((hit) => [`${hit.component}|${hit.key}`, JSON.stringify(hit.details)]),
    );
    assert.ok(hits.size <= 5 && hits.size === report.Report.reports.length);
    const before = clusters.get(report.ClusterName);
    if (before) {
      for (const [hit, details] of hits) {
        if (!before.current.has(hit)) seen[before.ever.has(hit) ? "comesBack" : "comes"]++;
        else seen[before.current.get(hit) === details ? "stays" : "otherDetails"]++;
      }
      seen.goes += [...before.current.keys()].filter((hit) => !hits.has(hit)).length;
    }
    clusters.set(report.ClusterName, {
      current: hits,
      ever: new Set([...(before?.ever ?? []), ...hits.keys()]),
    });
  }
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 10, `${what}: ${times}`);
  assert.ok(seen.stays > seen.comes + seen.goes + seen.comesBack, "hits change slowly");
});

test("every rule that hits has sample content, but for unlisted_rule", async () => {
  const { content } = await readContent(new URL("../../samples/content", import.meta.url).pathname);
  const known = content.map((entry) => `${entry.python_module}.report|${entry.error_key}`);
  const hit = new Set(validOf(generate(2000)).flatMap(hitsOf));
  assert.deepEqual(
    [...hit].sort(),
    [...known, "ccx_rules_ocp.external.rules.unlisted_rule.report|UNLISTED"].sort(),
  );
});

test("a result of one's own is one that the service takes, with the issue that is asked for, or none", () => {
  const cluster = "5d5892d3-1f74-4ccf-91af-548dfc9767aa";
  for (const [rule, components] of [
    ["ccx_rules_ocp.external.rules.disk|KEY", ["ccx_rules_ocp.external.rules.disk.report"]],
    ["ccx_rules_ocp.external.rules.disk.report|KEY", ["ccx_rules_ocp.external.rules.disk.report"]],
    ["ccx_rules_ocp.external.rules.disk|", []],
  ] as const) {
    const parsed = parseMessage(Buffer.from(resultOf({ cluster, org: 7, rule, now })), now);
    assert.ok(parsed.kind === "report", JSON.stringify(parsed));
    const { reports } = JSON.parse(parsed.report);
    assert.deepEqual([parsed.cluster, reports.map((hit: Hit) => hit.component)], [cluster, components]);
  }
});
