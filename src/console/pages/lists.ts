import type { AnyRow } from "../../db/rows.ts";
import { type Ask, type Handler, NotThere, requireFor } from "../ask.ts";
import { invalid, mostTyped, type Problem, problemOf, problemShown } from "../form.ts";
import { bytes, shown, time, words } from "../format.ts";
import { type Html, html } from "../html.ts";
import { tabs } from "../layout.ts";
import { listOn } from "../list_page.ts";
import { encoded, linked, looks, reasonShown, targetNames, verdict } from "../looks.ts";
import * as sql from "../sql.ts";
import { plainTable } from "../table.ts";

/** The part of a page that is looked at; the first one unless the URL names another. */
export function viewOf(ask: Ask, views: Record<string, string>): string {
  const { view } = ask.query;
  return view !== undefined && Object.hasOwn(views, view) ? view : (Object.keys(views)[0] as string);
}

const newViews = {
  list: "Every decision",
  reason: "By reason",
  rule: "By rule",
  organization: "By organization",
  stuck: "Decisions that fail",
};

/** What would be sent now, and why the rest is held. */
export const newPage: Handler = async (ask) => {
  const view = viewOf(ask, newViews);
  const head = tabs(ask.path, view, newViews);
  if (view === "list" || view === "stuck") {
    const { body, status } = await listOn(ask, view === "list" ? looks.new : looks.stuck, { own: { view } });
    const { org_id, cluster, rule } = ask.query;
    const isPart = view === "list" && !org_id && !cluster && !rule && (await ask.read(sql.isSurveyed));
    const note =
      isPart &&
      html`<p>Of the thousand clusters that reported last. Narrow by organization, cluster or rule to see all of that.</p>`;
    return { title: "New: what would be sent now", status, body: html`${head}${note}${body}` };
  }
  const { target, org_id: org } = ask.query;
  const title = "New: what would be sent now";
  let groups: AnyRow[];
  try {
    groups = await ask.read((db) =>
      sql.heldGroups(db, view, { target: target || undefined, org: org || undefined }),
    );
  } catch (error) {
    const problem = problemOf(error, ask.query, { rules: { NTG01: "target" } });
    if (problem === undefined) throw error;
    return { title, status: 400, body: html`${head}${groupsForm(ask, view, problem)}` };
  }
  const filter = view === "reason" ? "reasons" : view === "rule" ? "rule" : "org_id";
  const to = (row: AnyRow) => {
    const query = new URLSearchParams({ view: "list", decision: String(row.decision) });
    if (target) query.set("target", target);
    if (org) query.set("org_id", org);
    if (row.name !== "new") query.set(filter, String(row.name));
    return `/console/new?${query}`;
  };
  return {
    title: "New: what would be sent now",
    body: html`${head}<p class="says">The open issues, counted. What several reasons hold counts with each of them.</p>${groupsForm(ask, view)}<div id="groups" data-live>${counted(groups)}${plainTable(
      groups,
      [
        { name: "decision", cell: verdict },
        {
          name: "name",
          label: view === "reason" ? "Why" : words(view),
          cell: (row) =>
            linked(
              to(row),
              view !== "reason"
                ? shown(row.name)
                : row.name === "new"
                  ? "nothing holds it"
                  : reasonShown(String(row.name)),
            ),
        },
        ...["decisions", "clusters", "organizations"].map((name) => ({ name, isNumber: true })),
      ],
      "Open issues would be counted here; of a large fleet once its first survey is done.",
    )}</div>`,
  };
};

/** Whose issues are counted. */
function groupsForm(ask: Ask, view: string, problem?: Problem): Html {
  const { target, org_id: org = "" } = ask.query;
  const labels: Record<string, string> = { target: "Target", org_id: "Organization" };
  return html`<form class="filters" method="get" action="${ask.path}" aria-label="Narrow the counts"><input type="hidden" name="view" value="${view}">${problem && problemShown(problem, (name) => ({ id: `filter-${name}`, label: labels[name] ?? name }))}
<div><label for="filter-target">${labels.target}</label><select id="filter-target" name="target"${invalid(problem, "target")}><option value="">both together</option>${targetNames.map((one) => html`<option${one === target ? html` selected` : ""}>${one}</option>`)}</select></div>
<div><label for="filter-org_id">${labels.org_id}</label><input id="filter-org_id" name="org_id" value="${org}" maxlength="${mostTyped}" autocomplete="off"${invalid(problem, "org_id")}></div>
<div class="buttons"><button type="submit">Narrow</button></div></form>`;
}

/** The moment that counts are of: of a large fleet that of its newest survey. */
const counted = ([row]: AnyRow[]): Html | "" => (row ? html`<p>Counted at ${time(row.at)}.</p>` : "");

/** How loud each rule is. */
export const rulesPage: Handler = async (ask) => {
  const { body, status } = await listOn(ask, looks.rules, { lines: counted });
  return { title: "Rules in the last seven days", body, status };
};

/** One rule: its texts, version by version. */
export const rulePage: Handler = async (ask) => {
  const { rule = "" } = ask.params;
  const texts = await ask.read((db) => sql.ruleTexts(db, rule));
  const seen = await ask.read((db) =>
    sql.listRows(db, {
      ...{ list: "rules", filters: { rule }, sort: "notified", descending: true, after: null, limit: 20 },
    }),
  );
  if (texts.length === 0 && seen.length === 0)
    throw new NotThere(`No content and no report of the last week names the rule "${rule}".`);
  const text = (name: string, value: unknown): Html | "" =>
    value ? html`<h3>${name}</h3><pre>${String(value)}</pre>` : "";
  return {
    title: `Rule ${rule}`,
    body: html`<p><a href="/console/new?rule=${encoded(rule)}">Its open issues</a>, <a href="/console/silences?view=add&rule=${encoded(rule)}">silence it</a>, <a href="/console/policies?view=try&rule=${encoded(rule)}">try a policy for it</a></p>
<h2>The last seven days</h2>${counted(seen)}${plainTable(seen, looks.rules.columns, "It was not seen in the last seven days.")}
<h2>What it says</h2>${texts.length === 0 && html`<p class="empty">Nothing is known about it, so it is not notified (no_content).</p>`}${texts.map(
      (row, nth) => html`<details${nth === 0 ? html` open` : ""}><summary>${shown(row.error_key)}: ${
        row.until === null || /infinity/.test(String(row.until)) ? "in force" : html`until ${time(row.until)}`
      }, since ${time(row.since)}, total risk ${String(row.total_risk)}</summary>
<p>${shown(row.status)}; likelihood ${String(row.likelihood)}, impact ${String(row.impact)}; tags: ${shown(row.tags)}</p>${text("Description", row.description)}${text("Reason", row.reason)}${text("Resolution", row.resolution)}</details>`,
    )}`,
  };
};

const storageViews = {
  partitions: "Days",
  retention: "How long each is kept",
  next: "What goes next",
  consumer: "Doctor",
};

/** What is stored, until when, and what holds it. */
export const storagePage: Handler = async (ask) => {
  requireFor(ask.person, "partitions");
  const view = viewOf(ask, storageViews);
  const head = tabs(ask.path, view, storageViews);
  if (view === "next") {
    const rows = await ask.read(sql.previewRetention);
    const table = plainTable(
      rows,
      [
        { name: "action" },
        { name: "name" },
        { name: "row_count", label: "Rows", isNumber: true },
        { name: "bytes", label: "Size", isNumber: true, cell: (row) => html`${bytes(row.bytes)}` },
        { name: "older_than" },
        { name: "held_by" },
      ],
      "What retention would drop would stand here: nothing is past its time.",
    );
    const says = html`<p class="says">What retention would drop if it ran now.</p>`;
    return { title: "Storage", body: html`${head}${says}${table}` };
  }
  if (view === "consumer") {
    const rows = await ask.read(sql.doctor);
    const table = plainTable(
      rows,
      ["severity", "topic", "finding", "meaning", "what_to_do"].map((name) => ({ name })),
      "What somebody should look at would stand here: all is well.",
    );
    const says = html`<p class="says">What the database itself shows to be wrong, and what to do about it.</p>`;
    return { title: "Storage", body: html`${head}${says}${table}` };
  }
  const { body, status } = await listOn(ask, view === "partitions" ? looks.partitions : looks.retention, {
    own: { view },
  });
  return { title: "Storage", status, body: html`${head}${body}` };
};

/** What people did. */
export const actsPage: Handler = async (ask) => {
  const { body, status } = await listOn(ask, looks.acts);
  return { title: "What people did here", body, status };
};
