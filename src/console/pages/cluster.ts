import type { AnyRow, Db } from "../../db/rows.ts";
import { cutText } from "../../text/cut.ts";
import { type Ask, field, type Handler, NotThere, oneOf, Redirect } from "../ask.ts";
import { invalid, mostTyped, type Problem, problemOf, problemShown } from "../form.ts";
import { nothing, shown, time } from "../format.ts";
import { type Html, html } from "../html.ts";
import { type Page, proof } from "../layout.ts";
import { life } from "../life.ts";
import { listOn } from "../list_page.ts";
import {
  encoded,
  linked,
  looks,
  messageLink,
  ruleInWords,
  ruleLink,
  titleOnly,
  verdict,
  why,
} from "../looks.ts";
import * as sql from "../sql.ts";
import { BadQuestion, plainTable } from "../table.ts";

const dayMs = 86_400_000;

/** What was notified lately, and a field for the cluster that somebody asks about. */
export const clustersPage: Handler = async (ask) => {
  const id = ask.query.id?.trim();
  if (id)
    return id.length > mostTyped
      ? unknown(id)
      : new Redirect(`/console/clusters/${encoded(id.toLowerCase())}`);
  const { body, status } = await listOn(ask, looks.notified, { own: { id: undefined } });
  return {
    title: "Cluster",
    status,
    body: html`<p class="says">Name a cluster to see its life, and why it was notified or not at any moment of it.</p>${lookUp()}
<h2>What became of each report, the newest first</h2>${body}`,
  };
};

const lookUp = (id = ""): Html =>
  html`<form class="filters" method="get" action="/console/clusters"><div class="wide"><label for="cluster-id">Cluster (UUID)</label><input id="cluster-id" name="id" value="${id}" maxlength="${mostTyped}" required autocomplete="off"></div><div class="buttons"><button type="submit">Show its life</button></div></form>`;

/** Who mistyped a cluster corrects it here. */
const unknown = (id: string): Page => ({
  title: "Not there",
  status: 404,
  body: html`<p class="empty">No report of the cluster "${cutText(id, 100)}" is known, or your role does not see it.</p>${lookUp(id)}`,
});

/** The life of one cluster, and why (not) at a moment of it. */
export const clusterPage: Handler = async (ask) => {
  const { cluster = "" } = ask.params;
  const found = await ask.read(async (db) => {
    const known = await sql.knownCluster(db, cluster);
    const now = await sql.now(db);
    return { known, now };
  });
  const [newest] = found.known;
  if (!newest) return unknown(cluster);
  const path = `/console/clusters/${encoded(cluster)}`;
  const about = html`<p>Organization ${found.known.map(
    (one, nth) =>
      html`${nth > 0 && ", "}<a href="/console/new?org_id=${String(one.org_id)}">${String(one.org_id)}</a>${one.left_at !== null && " (before)"}`,
  )}; newest report ${time(newest.updated_at)}, received ${time(newest.received_at)}.</p>`;
  let days: number;
  let at: string;
  try {
    days = daysGiven(ask.query.days);
    at = await timeGiven(ask, ask.query.at, found.now);
  } catch (error) {
    const problem = error instanceof BadQuestion ? error : problemOf(error, ask.query);
    if (problem === undefined) throw error;
    const body = html`${about}${axisForm(path, ask.query, problem)}`;
    return { title: `Cluster ${cluster}`, status: 400, body };
  }
  const to = new Date(Math.min(Date.parse(found.now), Date.parse(at) + (days * dayMs) / 2)).toISOString();
  const from = new Date(Date.parse(to) - days * dayMs).toISOString();
  const { rows, answers } = await ask.read(async (db) => ({
    rows: await sql.clusterLife(db, cluster, from, to),
    answers: await sql.explainAt(db, cluster, at),
  }));
  const moment = (value: unknown) =>
    html`<a href="${path}?at=${encoded(String(value))}&days=${days}">${time(value)}</a>`;
  const isNow = ask.query.at === undefined || ask.query.at === "";
  return {
    title: `Cluster ${cluster}`,
    body: html`${about}${axisForm(path, { at: isNow ? "" : at, days: String(days) })}
<div id="life" data-live>${life(rows, from, to, at)}
<p><small>Bars are issues from opened to closed, and silences; upright lines are reports; full diamonds are messages; rings are reports that notified nothing. A click on the axis asks about that moment.</small></p></div>
<h2>Why (not), ${isNow ? "now" : html`at ${time(at)}`}</h2>
<div id="why" data-live>${answersOf(ask, answers, isNow ? undefined : at)}</div>
<h2>Everything on the axis</h2>
<details id="all"><summary>${rows.length} things happened</summary>${plainTable(
      rows.toSorted((a, b) => String(b.begins).localeCompare(String(a.begins))),
      [
        { name: "begins", label: "When", cell: (row) => moment(row.begins) },
        { name: "ends", label: "Until" },
        { name: "kind" },
        {
          name: "label",
          label: "What",
          cell: (row) => html`${shown(row.label)} <small>${shown(row.lane)}</small>`,
        },
        { name: "detail" },
        {
          name: "id",
          label: "More",
          cell: (row) =>
            row.kind === "notification"
              ? html`its texts: ${messageLink(row.id)}`
              : row.kind === "report"
                ? html`<a href="${path}/report?org=${String(row.org_id)}&at=${encoded(String(row.begins))}">raw report</a>`
                : nothing,
        },
      ],
      "Reports, issues, messages and silences would stand here.",
    )}</details>
${ask.person.mayAct && acts(ask, cluster, newest, answers)}`,
  };
};

/** Which moment is asked about, and how much of the life is drawn. */
function axisForm(
  path: string,
  { at = "", days = "" }: Record<string, string | undefined>,
  problem?: Problem,
): Html {
  const labels: Record<string, string> = { at: "Ask about this moment (UTC)", days: "Days on the axis" };
  return html`<form class="filters" method="get" action="${path}">${problem && problemShown(problem, (name) => ({ id: name, label: labels[name] ?? name }))}<div class="wide"><label for="at">${labels.at}</label><input id="at" name="at" value="${at}" maxlength="${mostTyped}" placeholder="now, or 2026-12-24T08:00Z"${invalid(problem, "at")}></div>
<div><label for="days">${labels.days}</label><input id="days" name="days" inputmode="numeric" value="${days}" maxlength="${mostTyped}"${invalid(problem, "days")}></div><div class="buttons"><button type="submit">Ask</button>${at !== "" && html` <a role="button" class="secondary outline" href="${path}">Now</a>`}</div></form>`;
}

const mostDays = 180;

function daysGiven(text: string | undefined): number {
  if (!text?.trim()) return 7;
  const days = /^\d+$/.test(text.trim()) ? Number(text) : 0;
  if (days < 1 || days > mostDays)
    throw new BadQuestion(`"${text}" is not a whole number from 1 to ${mostDays}.`, "days");
  return days;
}

async function timeGiven(ask: Ask, text: string | undefined, now: string): Promise<string> {
  if (!text?.trim()) return now;
  const at = await ask.read((db) => sql.timeOf(db, text.trim()));
  if (Number.isNaN(Date.parse(at))) throw new BadQuestion(`"${text}" is no moment of the axis.`, "at");
  return at;
}

/** The address of the text of an issue; without a time it is the one that would be sent now. */
const textOf = (row: AnyRow, at: string | undefined) => {
  const query = new URLSearchParams({ issue: String(row.issue_id), target: String(row.target) });
  if (at !== undefined) query.set("at", at);
  return `/console/clusters/${encoded(String(row.cluster))}/text?${query}`;
};

function answersOf(ask: Ask, rows: AnyRow[], at: string | undefined): Html {
  return plainTable(
    rows,
    [
      { name: "decision", cell: verdict },
      { name: "target" },
      { name: "component", label: "Rule", cell: ruleLink },
      { name: "reasons", label: "Why", cell: why },
      {
        name: "issue_id",
        label: "Text",
        cell: (row) => linked(textOf(row, at), "as it would be sent"),
      },
      { name: "total_risk", isNumber: true },
      { name: "issue_state" },
      ...["last_notified_at", "next_eligible_at"].map((name) => ({ name })),
      {
        name: "policy_id",
        label: "Policy",
        cell: (row) =>
          row.policy_id
            ? html`<a href="/console/policies/${String(row.policy_id)}">version\u{A0}${String(row.policy_id)}</a>`
            : nothing,
      },
    ],
    `At that moment cluster ${ask.params.cluster} had no open issue: there was nothing to notify.`,
  );
}

/** A rule and its error key of 255 characters each. */
const longestRule = 511;

function acts(ask: Ask, cluster: string, newest: AnyRow, answers: AnyRow[]): Html {
  const rules = [
    ...new Set(
      answers.map(
        (row) =>
          `${String(row.component)
            .replace(/\.report$/, "")
            .split(".")
            .at(-1)}|${row.error_key}`,
      ),
    ),
    // what no report of ours can name
  ].filter((rule) => rule.length <= longestRule);
  const path = `/console/clusters/${encoded(cluster)}`;
  return html`<h2>Act</h2><p><a href="/console/silences?view=add&cluster=${encoded(cluster)}">Silence this cluster</a></p>${
    rules.length > 0 &&
    html`<form class="act" method="post" action="${path}">${proof(ask.csrf)}<input type="hidden" name="org" value="${String(newest.org_id)}">
<div class="wide"><label for="ack-rule">Rule</label><select id="ack-rule" name="rule">${rules.map((rule) => html`<option>${rule}</option>`)}</select></div>
<div class="wide"><button name="do" value="acknowledge">Acknowledge it for this cluster</button> <button class="secondary outline" name="do" value="unacknowledge">Take the acknowledgement back</button></div>
<p class="wide says">Nobody is notified of an acknowledged rule for this cluster until that is taken back.</p></form>`
  }`;
}

/** Acknowledges a rule for a cluster, or takes that back. */
export const clusterAct: Handler = async (ask) => {
  const { cluster = "" } = ask.params;
  const what = oneOf(ask, ["acknowledge", "unacknowledge"]);
  const org = field(ask, "org") ?? "";
  const [rule = "", errorKey] = (field(ask, "rule") ?? "").split("|");
  const issue = { org, rule, errorKey, cluster };
  const isBack = what === "unacknowledge";
  await ask.act(what, issue, (db) => (isBack ? sql.unacknowledge(db, issue) : sql.acknowledge(db, issue)));
  return new Redirect(
    `/console/clusters/${encoded(cluster)}?done=${isBack ? "unacknowledged" : "acknowledged"}`,
  );
};

/** The texts of an issue, as `ccx run` would make them; `issue` is what SQL issue_draft() says of it. */
export type ShowIssue = (
  db: Db,
  issue: unknown,
  how: { target: string; resolved: boolean },
) => Promise<{ title: string; reason: string; error: string }>;

/** The text of an issue as a message would have it, whether or not the issue is held. */
export const draftPage =
  (show: ShowIssue): Handler =>
  async (ask) => {
    const { cluster = "" } = ask.params;
    const { issue = "", target = "" } = ask.query;
    const isNow = !ask.query.at?.trim();
    const at = await timeGiven(ask, ask.query.at, await ask.read(sql.now));
    const found = /^\d{1,18}$/.test(issue)
      ? await ask.read(async (db) => {
          const draft = await sql.issueDraft(db, { target, cluster, issue, at });
          return (
            draft && { draft, text: draft.issue === null ? undefined : await show(db, draft.issue, draft) }
          );
        })
      : undefined;
    if (!found) throw new NotThere(`Issue ${issue} of ${cluster} was not open at that time.`);
    const { draft, text } = found;
    const body = !text
      ? html`<p class="empty">Nothing is known about the rule, so there is no text.</p>`
      : text.error !== ""
        ? html`<p class="problem">${text.error}</p>`
        : html`<article><h2>${text.title || "No text"}</h2>${text.reason !== "" && html`<pre tabindex="0">${text.reason}</pre>`}</article>`;
    return {
      title: "Text of an issue",
      body: html`<p>${ruleInWords(String(draft.rule))} on <a href="/console/clusters/${encoded(cluster)}${!isNow && html`?at=${encoded(at)}`}">${cluster}</a>, to ${target}, ${
        isNow ? "as it would be sent now" : html`as it would have been sent at ${time(at)}`
      }: ${verdict(draft)}</p>${draft.decision !== "notify" && html`<p>It is held, because ${why(draft)}</p>`}${
        !draft.report_is_kept &&
        html`<p>The report is not kept any more, so details of the texts are missing.</p>`
      }${text?.error === "" && text.reason === "" && titleOnly}${body}`,
    };
  };

const mostOfReport = 60_000;

/** A report as it was stored, and what became of each of its hits. */
export const reportPage: Handler = async (ask) => {
  const { cluster = "" } = ask.params;
  const { org = "", at = "" } = ask.query;
  const found = await ask.read(async (db) => {
    const report = await sql.reportOf(db, org, cluster, at);
    return report && { report, hits: await sql.explainReport(db, org, cluster, at) };
  });
  if (!found) throw new NotThere(`No report of ${cluster} of ${at} is kept.`);
  const text = String(found.report.report);
  return {
    title: "Report",
    body: html`<p>Cluster <a href="/console/clusters/${encoded(cluster)}?at=${encoded(at)}">${cluster}</a>, organization ${org}, of ${time(at)}, received ${time(found.report.received_at)}.</p>
<h2>What became of each hit</h2>${plainTable(
      found.hits,
      [
        { name: "target" },
        { name: "report_state", label: "Report" },
        { name: "component", label: "Rule", cell: ruleLink },
        { name: "decision", cell: verdict },
        { name: "reasons", label: "Why", cell: why },
        { name: "decided_at" },
      ],
      "The report has no hits.",
    )}
<h2>As it was stored</h2><pre tabindex="0">${readable(text).slice(0, mostOfReport)}</pre>${
      text.length > mostOfReport &&
      html`<p>${text.length} characters, of which these are the first ${mostOfReport}.</p>`
    }`,
  };
};

function readable(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
