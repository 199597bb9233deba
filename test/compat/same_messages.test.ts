import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { runProgram } from "../support/command.ts";
import { type ContentService, startContentService } from "../support/content_service.ts";
import { testDatabase } from "../support/database.ts";
import { openTopics, type TestTopics } from "../support/kafka.ts";

const database = testDatabase();
let content: ContentService;
let topics: TestTopics;

type Event = { metadata: object; payload: Record<string, string> };
type Action = Record<string, unknown> & { events: Event[] };

/** A rule as the content service has it. */
const rule = (
  name: string,
  { description = `About ${name}`, impact = 3, likelihood = 3, status = "active" } = {},
) => ({
  plugin: { name, node_id: "", product_code: "", python_module: `ccx_rules_ocp.external.rules.${name}` },
  error_keys: {
    KEY: {
      metadata: {
        description,
        impact: { name: impact === 0 ? "unknown" : `impact ${impact}`, impact },
        likelihood,
        publish_date: "2020-01-01 00:00:00",
        resolution_risk: 0,
        status,
        tags: [],
      },
      total_risk: 0,
      generic: "generic",
      summary: "",
      resolution: "",
      more_info: "",
      reason: "reason",
      HasReason: true,
    },
  },
  ...{ generic: "", summary: "", resolution: "", more_info: "", reason: "", HasReason: false },
});

const rules = {
  plain: {},
  odd_signs: { description: 'Nodes "are" down, 50 % of them (5 < 6 & **more**)' },
  critical: { impact: 4, likelihood: 4 },
  templated: { description: "Node {{=pydata.node}} is down" },
  broken: { description: "Node {{=pydata.a.b.c}} is down" },
  inactive: { status: "inactive" },
  no_impact: { impact: 0, likelihood: 4 },
  too_likely: { impact: 4, likelihood: 6 },
  no_description: { description: "" },
};

const clusterOf = (nth: number) => `00000000-0000-4000-8000-${String(nth).padStart(12, "0")}`;
const at = "2026-02-03T04:05:06.789012Z";

const hit = (name: string) => ({
  type: "rule",
  component: `ccx_rules_ocp.external.rules.${name}.report`,
  key: "KEY",
  details: { node: "worker-0" },
});

type Case = {
  /** what the guide calls the difference; undefined: there is none */
  difference?: string;
  hits: string[];
  cluster?: string;
  org?: number;
  account?: number;
  /** what is notified by us of it: changes to their message, or null for no message */
  ours?: ((theirs: Action) => Action) | null;
  /** what their service makes of a rule's risk, where that matters */
  risks?: Record<string, string>;
};

const events = (change: (event: Event, nth: number) => Event) => (action: Action) => ({
  ...action,
  events: action.events.map(change),
});
const described = (text: string) =>
  events((event) => ({ ...event, payload: { ...event.payload, rule_description: text } }));

/** Twenty odd clusters: what theirs notifies of, and where ours differs. */
const cases: Case[] = [
  { hits: ["plain"] },
  { hits: ["plain", "odd_signs"] },
  { hits: ["critical"] },
  { hits: ["plain"], org: 4_000_000_000 - 2_000_000_000, account: 2_147_483_647 },
  {
    difference: "account number 0",
    hits: ["plain"],
    account: 0,
    ours: (theirs) => ({ ...theirs, account_id: null }),
  },
  {
    difference: "cluster in capital letters",
    hits: ["plain"],
    cluster: "ABCDEF00-0000-4000-8000-000000000001",
    ours: (theirs) => JSON.parse(JSON.stringify(theirs).replaceAll(/ABCDEF(?=00-)/g, "abcdef")),
  },
  {
    difference: "order of issues in a message",
    hits: ["plain", "critical"],
    ours: (theirs) => ({ ...theirs, events: theirs.events.toReversed() }),
  },
  {
    difference: "the same hit twice",
    hits: ["plain", "plain"],
    ours: (theirs) => ({ ...theirs, events: theirs.events.slice(0, 1) }),
  },
  { difference: "templates in descriptions", hits: ["templated"], ours: described("Node worker-0 is down") },
  { difference: "templates that fail", hits: ["broken"], ours: null },
  { difference: "inactive rules", hits: ["inactive"], ours: null },
  { difference: "impact that has no number", hits: ["no_impact"], ours: null },
  { difference: "risks beyond 4", hits: ["too_likely"], ours: null },
  {
    difference: "empty descriptions",
    hits: ["no_description"],
    ours: described("ccx_rules_ocp.external.rules.no_description|KEY"),
  },
];

/** What every message of ours has and theirs has not. */
const always = "id, version, recipients and the header rh-message-id";

before(async () => {
  content = await startContentService();
  topics = await openTopics();
});
after(async () => {
  await content.stop();
  await topics[Symbol.asyncDispose]();
});

/** The message that the incumbent makes of a report, by its documented form. */
function theirs({ hits, cluster = "", org = 1, account = 7 }: Case): Action {
  const details = `https://console.redhat.com/openshift/details/${cluster}`;
  return {
    bundle: "openshift",
    application: "advisor",
    event_type: "new-recommendation",
    account_id: String(account),
    org_id: String(org),
    events: hits.map((name) => {
      const {
        description = `About ${name}`,
        impact = 3,
        likelihood = 3,
      } = rules[name as keyof typeof rules] as { description?: string; impact?: number; likelihood?: number };
      return {
        metadata: {},
        payload: {
          publish_date: at,
          rule_description: description,
          rule_url: `${details}/insights/ccx_rules_ocp|external|rules|${name}|report/KEY`,
          total_risk: String(Math.floor((impact + likelihood) / 2)),
        },
      };
    }),
    context: { display_name: cluster, host_url: `${details}#insights` },
  };
}

test("a receiver gets the messages that it got from the incumbent, but for the differences that the guide lists", async () => {
  const config = {
    impact: Object.fromEntries([1, 2, 3, 4].map((n) => [`impact ${n}`, n])),
    resolution_risk: {},
  };
  content.serve({
    Config: config,
    Rules: Object.fromEntries(Object.entries(rules).map(([name, options]) => [name, rule(name, options)])),
  });
  const named = cases.map((one, nth) => ({ cluster: clusterOf(nth + 1), ...one }));
  for (const { cluster, org = 1, account = 7, hits } of named)
    await database.pool.query(
      `insert into new_reports (org_id, account_number, cluster, report, updated_at, kafka_offset)
       values ($1, $2, $3, $4, $5, 0)`,
      [org, account, cluster, JSON.stringify({ reports: hits.map(hit) }), at],
    );
  const { hostname, port, pathname, username } = new URL(database.url);
  const variables = {
    STORAGE__PG_HOST: hostname,
    STORAGE__PG_PORT: port,
    STORAGE__PG_DB_NAME: pathname.slice(1),
    STORAGE__PG_USERNAME: username,
    KAFKA_BROKER__ENABLED: "true",
    KAFKA_BROKER__ADDRESSES: topics.brokers,
    KAFKA_BROKER__TOPIC: topics.notifications,
    DEPENDENCIES__CONTENT_SERVER: content.origin,
  };
  const { code, stdout, stderr } = await runProgram(
    "ccx-notification-service",
    ["--instant-reports", "--ignore-disabled-rules"],
    Object.fromEntries(
      Object.entries(variables).map(([name, value]) => [`CCX_NOTIFICATION_SERVICE__${name}`, value]),
    ),
  );
  assert.equal(code, 0, stdout + stderr);
  const messages = new Map<string, Action>();
  for (const { value, key = "", messageId } of await topics.received.takeAll()) {
    const { id, version, recipients, timestamp, ...action } = JSON.parse(value);
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.deepEqual([version, recipients, messageId, key], ["2.0.0", [], id, action.context.display_name]);
    assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    assert.ok(!messages.has(key), `${key} has one message`);
    messages.set(key, action);
  }
  for (const one of named) {
    const found = messages.get(one.cluster.toLowerCase());
    messages.delete(one.cluster.toLowerCase());
    const name = one.difference ?? one.hits.join(", ");
    if (one.ours === null) assert.equal(found, undefined, name);
    else assert.deepEqual(found, one.ours ? one.ours(theirs(one)) : theirs(one), name);
  }
  assert.deepEqual([...messages.keys()], []);
});

test("the guide lists these differences, and the ones that no single message shows", async () => {
  const guide = await readFile(path.join(import.meta.dirname, "../../docs/guides/migrating.md"), "utf8");
  const table = /^## Differences in messages\n([\s\S]*?)\n## /m.exec(guide)?.[1] ?? "";
  const listed = [...table.matchAll(/^\| ([^|]+?) \|/gm)]
    .map(([, title = ""]) => title.replaceAll("`", ""))
    .filter((title) => !/^(-+|difference)$/.test(title));
  const own = cases.flatMap(({ difference }) => difference ?? []);
  const others = [
    always,
    "timestamp",
    "key of the Kafka message",
    "publish_date",
    "an older report that arrives later",
    "no account number",
    "organizations beyond 2147483647",
    "unknown rules and error keys",
  ];
  assert.deepEqual(listed.toSorted(), [...own, ...others].toSorted());
});
