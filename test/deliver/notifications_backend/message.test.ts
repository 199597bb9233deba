import assert from "node:assert/strict";
import { test } from "node:test";
import { claimedNotificationSchema } from "../../../src/deliver/claimed.ts";
import { buildNotificationMessage } from "../../../src/deliver/notifications_backend/message.ts";
import { assertNotification, violations } from "../../support/contract.ts";
import { aRow, cluster, messageId } from "../rows.ts";

const urls = {
  clusterUrl: "https://console.example.com/openshift/details/{cluster_id}#insights",
  ruleUrl: "https://console.example.com/openshift/details/{cluster_id}/insights/{module}/{error_key}",
};

// biome-ignore lint/suspicious/noExplicitAny: a test may reach into JSON.
function built(...row: Parameters<typeof aRow>): any {
  const { value, headers } = buildNotificationMessage(aRow(...row), urls);
  return assertNotification(value, headers);
}

/** A row as SQL hands it over, before its texts are rendered. */
const aClaim = (changes: object = {}) => ({
  ...aRow(),
  issues: [
    {
      issue_id: "7",
      component: "a.report",
      error_key: "KEY",
      total_risk: 2,
      severity: "MODERATE",
      content_id: "3",
      details: { nodes: [1] },
    },
  ],
  ...changes,
});

test("a claimed row becomes the message of the contract, field by field", () => {
  const { key, value, headers } = buildNotificationMessage(aRow(), urls);
  assert.equal(key, cluster);
  assert.deepEqual(headers, { "rh-message-id": messageId });
  assert.deepEqual(JSON.parse(value), {
    version: "2.0.0",
    id: messageId,
    bundle: "openshift",
    application: "advisor",
    event_type: "new-recommendation",
    timestamp: "2026-08-22T10:15:30.123456Z",
    org_id: "1234567",
    account_id: null,
    context: {
      display_name: cluster,
      host_url: `https://console.example.com/openshift/details/${cluster}#insights`,
    },
    events: [
      {
        metadata: {},
        payload: {
          rule_description: "Nodes are too small",
          rule_url: `https://console.example.com/openshift/details/${cluster}/insights/ccx_rules_ocp|external|rules|nodes_requirements_check|report/NODES_MINIMUM_REQUIREMENTS_NOT_MET`,
          total_risk: "3",
          publish_date: "2026-08-22T10:14:59.000000Z",
        },
      },
    ],
    recipients: [],
  });
  assertNotification(value, headers);
});

test("every try of a row gives the same bytes", () => {
  const first = buildNotificationMessage(aRow({ attempt: 1 }), urls);
  assert.deepEqual(buildNotificationMessage(aRow({ attempt: 7 }), urls), first);
});

test("every issue is an event with its risk, from which the receiver works out the severity", () => {
  const action = built({}, ...[1, 4, 2].map((total_risk) => ({ total_risk })));
  assert.deepEqual(
    action.events.map((event: { payload: { total_risk: string } }) => event.payload.total_risk),
    ["1", "4", "2"],
  );
  assert.equal("severity" in action, false);
});

test("an unknown risk counts as the lowest, one outside the scale as its end", () => {
  for (const [total_risk, notified] of [
    [null, "1"],
    [0, "1"],
    [9, "4"],
  ] as const) {
    assert.equal(built({}, { total_risk }).events[0].payload.total_risk, notified);
  }
});

test("what is gone is notified by an event type of its own, in the same form", () => {
  const there = buildNotificationMessage(aRow(), urls);
  const gone = buildNotificationMessage(aRow({ resolved: true }, { reason: "" }), urls);
  assert.deepEqual({ ...gone, value: "" }, { ...there, value: "" });
  assert.deepEqual(JSON.parse(gone.value), {
    ...JSON.parse(there.value),
    event_type: "resolved-recommendation",
  });
});

test("a known account is sent as a string", () => {
  assert.equal(built({ account_number: "5555" }).account_id, "5555");
});

test("placeholders are filled everywhere, and only once", () => {
  const { value } = buildNotificationMessage(
    aRow({}, { component: "a.{error_key}.report", error_key: "$&" }),
    {
      clusterUrl: "https://example.com/{cluster_id}?again={cluster_id}&{other}",
      ruleUrl: "https://example.com/{error_key}/{module}/{error_key}",
    },
  );
  const action = JSON.parse(value);
  assert.equal(action.context.host_url, `https://example.com/${cluster}?again=${cluster}&{other}`);
  assert.equal(
    action.events[0].payload.rule_url,
    "https://example.com/%24%26/a|%7Berror_key%7D|report/%24%26",
  );
});

test("names of rules cannot leave their place in the URL", () => {
  for (const hostile of [
    "../../x",
    "..",
    ".",
    "a/b?c#d",
    "@evil.example",
    "\\evil",
    '"><script>',
    "a b\r\nc",
    "%2e%2e",
  ]) {
    const { rule_url } = built({}, { component: hostile, error_key: hostile }).events[0].payload;
    const url = new URL(rule_url);
    assert.equal(url.host, "console.example.com");
    assert.equal(url.search + url.hash, "", hostile);
    const parts = url.pathname.split("/");
    assert.equal(parts.length, 7, `${hostile} stays one part: ${url.pathname}`);
    assert.deepEqual(parts.slice(1, 5), ["openshift", "details", cluster, "insights"]);
    assert.doesNotMatch(rule_url, /[\s"<>]/);
  }
});

test("broken Unicode is made whole before it reaches the receiver", () => {
  const { value } = buildNotificationMessage(
    aRow(
      {},
      { description: "half \ud83d of an emoji, NUL \0", component: "a.\udc00.report", error_key: "\ud800" },
    ),
    urls,
  );
  assert.ok(value.isWellFormed());
  assert.doesNotMatch(value, /\\ud[89a-f]|\\u0000/i);
  assert.equal(JSON.parse(value).events[0].payload.rule_description, "half \ufffd of an emoji, NUL \ufffd");
});

test("an issue without a description is called by its rule", () => {
  assert.equal(
    built({}, { description: " " }).events[0].payload.rule_description,
    "ccx_rules_ocp.external.rules.nodes_requirements_check|NODES_MINIMUM_REQUIREMENTS_NOT_MET",
  );
});

test("the name of a rule that stands in for a title is escaped, and a title has one line", () => {
  const named = built({}, { description: " ", component: "<img src=x>.RULE.report", error_key: "A&B" });
  assert.equal(named.events[0].payload.rule_description, "&lt;img src=x&gt;.RULE|A&amp;B");
  for (const end of ["\n", "\r\n", "\n\n  "])
    assert.equal(built({}, { description: `one${end}two` }).events[0].payload.rule_description, "one two");
});

test("a row whose times are not UTC with T and Z is refused before it is built", () => {
  for (const decided_at of ["2026-08-22 10:15:30.123+00", "2026-08-22T10:15:30+02:00", "2026-08-22"]) {
    assert.equal(claimedNotificationSchema.safeParse(aClaim({ decided_at })).success, false, decided_at);
  }
  assert.equal(claimedNotificationSchema.safeParse(aClaim({ issues: [] })).success, false);
  assert.ok(claimedNotificationSchema.safeParse(aClaim()).success);
});

test("the contract refuses what the receiver would silently drop or render wrongly", () => {
  // biome-ignore lint/suspicious/noExplicitAny: a test may break JSON anywhere.
  const wrong: Record<string, (action: any) => void> = {
    "a stray key": (a) => (a.extra = 1),
    "a stray key in an event": (a) => (a.events[0].extra = 1),
    "a camel-case recipient": (a) => (a.recipients = [{ onlyAdmins: true }]),
    "a stray key in the criterion": (a) =>
      (a.recipients_authorization_criterion = {
        id: "1",
        relation: "r",
        type: { name: "n", namespace: "s" },
        x: 1,
      }),
    "an org id as a number": (a) => (a.org_id = 1),
    "an account id as a number": (a) => (a.account_id = 1),
    "no org id": (a) => delete a.org_id,
    "no events": (a) => delete a.events,
    "no payload": (a) => delete a.events[0].payload,
    "another event type": (a) => (a.event_type = "resolved-recommendation"),
    "severity null": (a) => (a.severity = null),
    "an id that is no UUID": (a) => (a.id = "42"),
    "a blank in the time": (a) => (a.timestamp = "2026-08-22 10:15:30Z"),
    "an offset": (a) => (a.timestamp = "2026-08-22T10:15:30+00:00"),
    "a short offset": (a) => (a.timestamp = "2026-08-22T10:15:30+00"),
    "a date alone": (a) => (a.timestamp = "2026-08-22"),
    "a month that does not exist": (a) => (a.timestamp = "2026-13-22T10:15:30Z"),
    "a report time with an offset": (a) => (a.events[0].payload.publish_date = "2026-08-22T10:15:30+02:00"),
    "a risk as a number": (a) => (a.events[0].payload.total_risk = 3),
    "a risk off the scale": (a) => (a.events[0].payload.total_risk = "5"),
    "no context for the cluster": (a) => (a.context = { host_url: "x" }),
  };
  const { value, headers } = buildNotificationMessage(aRow(), urls);
  assert.deepEqual(violations(JSON.parse(value)), []);
  for (const [what, spoil] of Object.entries(wrong)) {
    const action = JSON.parse(value);
    spoil(action);
    assert.notDeepEqual(violations(action), [], what);
  }
  assert.throws(() => assertNotification(value, {}), /header/);
  assert.throws(
    () => assertNotification(value, { "rh-message-id": "00000000-0000-4000-8000-000000000000" }),
    /repeats/,
  );
  const v5 = messageId.replace("-4", "-5");
  assert.throws(
    () => assertNotification(value.replace(messageId, v5), { ...headers, "rh-message-id": v5 }),
    /version 4/,
  );
});
