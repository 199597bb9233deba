import type { AnyRow } from "../db/rows.ts";
import { holdReasons } from "../text/hold_reasons.ts";
import { brokenName, bytes, nothing, shown } from "./format.ts";
import { type Html, html, type Part } from "./html.ts";
import type { Column, Look } from "./table.ts";
import { inWords, valueInWords } from "./words.ts";

export const encoded = encodeURIComponent;

const longestAddress = 2_000;

/** A link; to what a stranger named so that no address holds it, there is none. */
export const linked = (to: string, text: Part): Html =>
  to.length > longestAddress ? html`${text}` : html`<a href="${to}">${text}</a>`;

export const clusterLink = (value: unknown): Html =>
  value === null || value === undefined || value === ""
    ? shown(value)
    : linked(`/console/clusters/${encoded(String(value))}`, shown(value));

/** A rule without the modules that it is in. */
const bareOf = (name: string) =>
  name
    .replace(/\.report$/, "")
    .split(".")
    .at(-1) ?? name;

/** A rule in a sentence, given as `component|ERROR_KEY`. */
export const ruleInWords = (rule: string): Html => {
  const [component = "", ...key] = rule.split("|");
  const bare = bareOf(component);
  return linked(`/console/rules/${encoded(bare)}`, brokenName([bare, ...key].join("|")));
};

/** A rule with its error key, and the way to its page. */
export const ruleLink = (row: AnyRow): Html => {
  const name = String(row.rule_name ?? row.component ?? "");
  if (name === "") return shown(null);
  const bare = bareOf(name);
  return html`${linked(`/console/rules/${encoded(bare)}`, brokenName(bare))}${row.error_key ? html`<br><small>${brokenName(row.error_key)}</small>` : ""}`;
};

export const verdict = (row: AnyRow): Html =>
  html`<span class="verdict">${row.decision === "notify" ? "▶ notify" : "‖ hold"}</span>`;

/** A reason that holds an issue, in words and as the database calls it. */
export const reasonShown = (reason: string): Html =>
  html`${inWords(reason) ?? ""} <small>(${shown(reason)})</small>`;

export const why = (row: AnyRow): Html => {
  const reasons = (row.reasons ?? []) as string[];
  if (reasons.length === 0) return row.decision === "notify" ? html`nothing holds it` : nothing;
  return html`${reasons.map(
    (reason, nth) => html`${nth > 0 && html`<br>`}${reasonShown(reason)}`,
  )}${Boolean(row.silence_id) && html`<br><a href="/console/silences?id=${String(row.silence_id)}">silence ${String(row.silence_id)}</a>`}${
    Boolean(row.render_error) && html`<br><small>${shown(row.render_error)}</small>`
  }`;
};

/** A decision with its reasons as one text of the database ("hold: cooldown, acked"), in words. */
export const decided = (text: unknown): Html => {
  if (typeof text !== "string") return nothing;
  const [decision = "", reasons] = text.split(": ");
  return html`${verdict({ decision })}${reasons?.split(", ").map((reason) => html`<br>${reasonShown(reason)}`)}`;
};

const org: Column = { name: "org_id", isNumber: true };
const cluster: Column = { name: "cluster", cell: (row) => clusterLink(row.cluster) };
const component: Column = { name: "component", label: "Rule", cell: ruleLink };
const ruleName: Column = { name: "rule_name", label: "Rule", cell: ruleLink };
const numbers = (...names: string[]): Column[] => names.map((name) => ({ name, isNumber: true }));
const plain = (...names: string[]): Column[] => names.map((name) => ({ name }));
const size: Column = {
  name: "bytes",
  label: "Size",
  isNumber: true,
  cell: (row) => html`${bytes(row.bytes)}`,
};
const targets = ["notifications backend", "service log"];
const failures = [
  ...["schema", "auth", "rate_limited", "client", "server", "timeout", "network", "broker", "template"],
  "unsettled",
];

/** A value that is missing because the row is about all of them. */
const orAll = (column: Column): Column => ({
  ...column,
  cell: (row) =>
    row[column.name] === null ? html`all` : column.cell ? column.cell(row) : shown(row[column.name]),
});

/** The tables of the console: what each shows, and in which order. */
export const looks = {
  new: {
    list: "new",
    says: "Each open issue, for each target: whether it would be notified now, and everything that holds it.",
    columns: [
      { name: "decision", cell: verdict },
      { name: "reasons", label: "Why", unsorted: true, cell: why },
      { name: "target" },
      org,
      cluster,
      component,
      ...numbers("total_risk"),
      ...plain("issue_state", "first_seen", "last_notified_at", "next_eligible_at"),
    ],
    sort: "decision",
    descending: true,
    empty: "Open issues would stand here, with what would be notified now and why the rest is held.",
    choices: {
      decision: ["notify", "hold"],
      reasons: Object.keys(holdReasons),
      target: targets,
      issue_state: ["new", "regressed", "flapping", "resolved"],
    },
  },
  rules: {
    list: "rules",
    says:
      "A sighting is a report that has the rule; held back is the share of sightings that were not " +
      "notified. An occurrence lasts from the first report that has the rule to the first without it.",
    columns: [
      component,
      { name: "target" },
      ...numbers("notified"),
      { name: "clusters", label: "Clusters notified", isNumber: true },
      { name: "organizations", label: "Organizations notified", isNumber: true },
      ...numbers("sightings"),
      {
        name: "dedup_ratio",
        label: "Held back",
        isNumber: true,
        cell: (row) =>
          html`${row.dedup_ratio === null ? "–" : `${(Number(row.dedup_ratio) * 100).toFixed(1)} %`}`,
      },
      ...numbers("occurrences", "flapping_issues", "gone_within_an_hour", "open_issues"),
    ],
    sort: "notified",
    descending: true,
    empty: "Rules that were seen in the last seven days would stand here, the loudest first.",
    choices: { target: targets },
  },
  policies: {
    list: "policies",
    says:
      "Who is notified of what. The narrowest policy counts: of an organization and a rule, of an " +
      "organization, of a rule, of all.",
    columns: [
      { name: "target" },
      orAll(org),
      orAll({ name: "rule_name", label: "Rule" }),
      { name: "enabled" },
      { name: "total_risk_threshold", label: "Total risk from", isNumber: true },
      { name: "likelihood_threshold", label: "Likelihood from", isNumber: true },
      { name: "impact_threshold", label: "Impact from", isNumber: true },
      { name: "filter" },
      { name: "required_tags", unsorted: true },
      ...plain("cooldown", "spacing"),
      ...numbers("max_events"),
      ...plain("since"),
      {
        name: "policy_id",
        label: "Version",
        isNumber: true,
        cell: (row) =>
          html`<a href="/console/policies/${String(row.policy_id)}">${String(row.policy_id)}</a>`,
      },
    ],
    sort: "target",
    empty: "Policies in force would stand here.",
    choices: { target: targets },
  },
  policy_history: {
    list: "policy_history",
    says: "Every version of every policy, with who made it and why.",
    columns: [
      ...plain("since", "until", "target"),
      orAll(org),
      orAll({ name: "rule_name", label: "Rule" }),
      ...plain("changed_by", "reason", "ended_by", "end_reason", "enabled"),
      { name: "total_risk_threshold", label: "Total risk from", isNumber: true },
      ...plain("cooldown"),
      {
        name: "policy_id",
        label: "Version",
        isNumber: true,
        cell: (row) =>
          html`<a href="/console/policies/${String(row.policy_id)}">${String(row.policy_id)}</a>`,
      },
    ],
    sort: "since",
    descending: true,
    empty: "Every version of every policy would stand here.",
    choices: { target: targets },
  },
  silences: {
    list: "silences",
    says: "What people hold, until when and why. A silence holds the issues that match everything it names.",
    columns: [
      { name: "id", label: "Silence", isNumber: true },
      ...plain("state", "starts_at", "ends_at"),
      orAll(org),
      orAll(cluster),
      orAll(ruleName),
      orAll({ name: "tag" }),
      ...plain("reason", "created_by", "created_at", "ended_by"),
    ],
    sort: "starts_at",
    descending: true,
    empty: "Silences would stand here: what is held, until when, by whom and why.",
    choices: { state: ["active", "pending", "expired"] },
  },
  acknowledgements: {
    list: "acknowledgements",
    says: "Rules that customers no longer want to hear of, for all of their clusters or for one.",
    columns: [org, cluster, ruleName, ...plain("since", "reason")],
    sort: "since",
    descending: true,
    empty: "Rules that customers have acknowledged would stand here.",
  },
  notified: {
    list: "notified",
    columns: [
      { name: "notified_at" },
      { name: "state", label: "Outcome", cell: (row) => shown(valueInWords(String(row.state))) },
      { name: "target" },
      org,
      cluster,
      {
        name: "issues",
        unsorted: true,
        cell: (row) => {
          const issues = (row.issues ?? []) as string[];
          if (issues.length === 0) return nothing;
          return html`${issues.map((issue, nth) => html`${nth > 0 && ", "}${brokenName(issue)}`)}`;
        },
      },
      ...plain("updated_at", "error_log"),
    ],
    sort: "notified_at",
    descending: true,
    empty: "What was notified or skipped would stand here, report by report.",
    choices: { target: targets, state: ["sent", "same", "lower", "error"] },
  },
  waiting: {
    list: "waiting",
    says: "Messages that were decided and are not sent yet.",
    columns: [
      {
        name: "notification_id",
        label: "Message",
        isNumber: true,
        cell: (row) => messageLink(row.notification_id),
      },
      ...plain("target"),
      org,
      cluster,
      ...numbers("issues", "attempts"),
      ...plain("decided_at", "age", "state", "next_attempt_at", "failure", "last_error"),
    ],
    sort: "decided_at",
    empty: "Messages that are neither sent nor dead would stand here: nothing waits.",
    choices: { target: targets, failure: failures },
  },
  dead: {
    list: "dead",
    says:
      "Messages that were given up, with what the receiver said. To redrive one is to try it again " +
      "under the same id.",
    columns: [
      {
        name: "notification_id",
        label: "Message",
        isNumber: true,
        cell: (row) => messageLink(row.notification_id),
      },
      ...plain("target"),
      org,
      cluster,
      ...numbers("issues", "attempts"),
      ...plain("failure", "last_error", "decided_at", "ended_at"),
      {
        name: "refusal",
        label: "May be redriven",
        cell: (row) => html`${row.redrivable === true ? "possible" : shown(row.refusal)}`,
      },
    ],
    sort: "ended_at",
    descending: true,
    empty: "Dead messages would stand here, with what the receiver said: there are none.",
    choices: { target: targets, failure: failures },
  },
  rejected: {
    list: "rejected",
    says: "Messages of the topic that did not conform. Each is kept with its bytes and can be tried again.",
    columns: [
      {
        name: "id",
        label: "Message",
        isNumber: true,
        cell: (row) => html`<a href="/console/rejected/${String(row.id)}">${String(row.id)}</a>`,
      },
      ...plain("received_at", "reason", "state", "detail", "topic"),
      ...numbers("partition"),
      { name: "kafka_offset", label: "Offset", isNumber: true },
      org,
      cluster,
      size,
      ...numbers("attempts"),
    ],
    sort: "id",
    descending: true,
    empty: "Messages that did not conform would stand here, each with its bytes and the reason.",
    choices: { state: ["waiting", "stored"] },
  },
  rejected_hours: {
    list: "rejected_hours",
    columns: [
      ...plain("hour", "topic", "reason"),
      ...numbers("messages", "waiting"),
      ...plain("first_at", "last_at"),
      {
        name: "example_id",
        label: "Example",
        cell: (row) =>
          html`<a href="/console/rejected/${String(row.example_id)}">${shown(row.example)}</a><br><small>${shown(row.example_detail)}</small>`,
      },
    ],
    sort: "hour",
    descending: true,
    empty: "Rejected messages would be counted here, hour by hour.",
  },
  storms: {
    list: "storms",
    says:
      "When a rule hits too many clusters at once, a brake holds the rest until somebody releases or " +
      "drops them.",
    columns: [
      { name: "id", label: "Storm", isNumber: true },
      { name: "target" },
      orAll({ name: "rule_name", label: "Rule", cell: ruleLink }),
      ...plain("state", "began_at"),
      ...numbers("cluster_limit", "notified", "waiting"),
      ...plain("ended_at", "ended_by", "reason"),
    ],
    sort: "began_at",
    descending: true,
    empty: "Storms that the brake holds would stand here.",
  },
  stuck: {
    list: "stuck",
    says: "Clusters whose decision failed. Each is tried again by itself.",
    columns: [org, cluster, ...plain("since"), ...numbers("attempts"), ...plain("next_try_at", "reason")],
    sort: "since",
    empty: "Clusters whose decision fails would stand here.",
  },
  partitions: {
    list: "partitions",
    says:
      "Reports and outcomes are stored day by day; a day is dropped once it is past its time and " +
      "nothing holds it.",
    columns: [
      { name: "parent", label: "Table" },
      ...plain("day", "name"),
      { name: "rows", label: "Rows, about", isNumber: true },
      size,
      { name: "drop_at", label: "Dropped from" },
      { name: "held_by", label: "Held by" },
      { name: "is_past", label: "Past its time" },
    ],
    sort: "day",
    empty: "Days that are stored would stand here, each with the day on which it goes.",
    choices: { parent: ["new_reports", "reported"] },
  },
  retention: {
    list: "retention",
    says: "How long each table keeps its rows.",
    columns: [
      { name: "parent", label: "Table" },
      { name: "keep", label: "Keeps its rows" },
      ...plain("changed_by", "changed_at"),
    ],
    sort: "parent",
    empty: "How long each table keeps its rows would stand here.",
  },
  acts: {
    list: "acts",
    says: "Who did what in this console, and when.",
    columns: [...plain("at", "person", "act"), { name: "details", unsorted: true }],
    sort: "at",
    descending: true,
    empty: "What people did in this console would stand here, with their names.",
  },
} satisfies Record<string, Look>;

export const messageLink = (value: unknown): Html =>
  html`<a href="/console/messages/${encoded(String(value))}">${String(value)}</a>`;

/** Said of a text that is no more than its title. */
export const titleOnly: Html = html`<p>This target gets the title only; its receiver has the rest.</p>`;

/** The choices among the targets. */
export const targetNames = targets;
