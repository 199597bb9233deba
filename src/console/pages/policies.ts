import { createHash } from "node:crypto";
import { codeOf } from "../../db/errors.ts";
import type { AnyRow } from "../../db/rows.ts";
import { cutText } from "../../text/cut.ts";
import { type Ask, field, type Handler, NotThere, Overtaken, oneOf, Redirect } from "../ask.ts";
import { invalid, type Problem, problemOf, problemShown } from "../form.ts";
import { meant, shown, time, words } from "../format.ts";
import { type Html, html } from "../html.ts";
import { proof, tabs } from "../layout.ts";
import { listOn } from "../list_page.ts";
import { decided, looks, ruleLink, targetNames } from "../looks.ts";
import { bars } from "../plot.ts";
import * as sql from "../sql.ts";
import { plainTable } from "../table.ts";
import { viewOf } from "./lists.ts";

const views = { in_force: "In force", history: "History", try: "Try a change" };

/** Policies in force, and who made them why; a form to try another one. */
export const policiesPage: Handler = async (ask) => {
  const view = viewOf(ask, views);
  const head = tabs(ask.path, view, views);
  if (view === "try") {
    const { target = targetNames[0], org, rule } = ask.query;
    return {
      title: "Policies",
      body: html`${head}${await form(ask, { target, org: org || undefined, rule: rule || undefined })}`,
    };
  }
  const look = view === "in_force" ? looks.policies : looks.policy_history;
  const { body, status } = await listOn(ask, look, { own: { view } });
  return { title: "Policies", status, body: html`${head}${body}` };
};

/** One version of a policy. */
export const policyPage: Handler = async (ask) => {
  const { id = "" } = ask.params;
  const [row] = /^\d{1,18}$/.test(id) ? await ask.read((db) => sql.policyVersion(db, id)) : [];
  if (!row) throw new NotThere(`There is no version ${id} of a policy, or your role does not see it.`);
  return { title: `Policy, version ${id}`, body: versionOf(row) };
};

const versionOf = (row: AnyRow): Html =>
  html`<table class="facts"><tbody>${Object.entries(row).map(
    ([name, value]) => html`<tr><th scope="row">${words(name)}</th><td>${shown(value)}</td></tr>`,
  )}</tbody></table>`;

/** The settings of the form: most are left as they are. */
const settings: Record<string, { label: string; hint?: string; kind?: "flag" | "list" | "number" }> = {
  enabled: { label: "Enabled", kind: "flag" },
  total_risk_threshold: { label: "Total risk from", hint: "0 to 4", kind: "number" },
  likelihood_threshold: { label: "Likelihood from", kind: "number" },
  impact_threshold: { label: "Impact from", kind: "number" },
  severity_threshold: { label: "Severity from", kind: "number" },
  filter: { label: "Filter", hint: "impact + likelihood > 4" },
  required_tags: { label: "Required tags", hint: "separated by commas", kind: "list" },
  cooldown: { label: "Cooldown", hint: "3 days" },
  spacing: { label: "Spacing", hint: "6 hours" },
  max_events: { label: "Most issues in a message", kind: "number" },
  max_report_age: { label: "Oldest report", hint: "1 day" },
  flapping_action: { label: "Flapping", hint: "notify or damp" },
  notify_resolved: { label: "Notify what is resolved", kind: "flag" },
};

const emptyWord = "(none)";

/** What a person changes: fields that are left empty stay as they are, (none) takes a setting away. */
function changeOf(ask: Ask): AnyRow {
  const change: AnyRow = {};
  for (const [name, { kind }] of Object.entries(settings)) {
    const text = field(ask, `set_${name}`);
    if (text === undefined) continue;
    if (kind === "list")
      change[name] =
        text === emptyWord
          ? []
          : text
              .split(",")
              .map((one) => one.trim())
              .filter(Boolean);
    else if (text === emptyWord) change[name] = null;
    else if (kind === "flag") change[name] = text === "yes";
    else change[name] = kind === "number" && /^\d+$/.test(text) ? Number(text) : text;
  }
  return change;
}

type Scope = { target?: string | undefined; org?: string | undefined; rule?: string | undefined };

/** Which field a rule of set_policy() is about. */
const rules: Record<string, string> = {
  ...{ NTG01: "target", NTP01: "rule", NTP12: "target" },
  ...{ NTF01: "set_filter", NTF02: "set_filter", NTF03: "set_filter" },
};
const columns: Record<string, string> = {
  ...Object.fromEntries(Object.keys(settings).map((name) => [name, `set_${name}`])),
  reason: "reason",
};

const placeOf = (field: string) => {
  const [, name] = /^set_(.+)$/.exec(field) ?? [];
  if (name !== undefined) return { id: `set-${name}`, label: settings[name]?.label ?? name };
  return { id: `p-${field}`, label: scopeLabels[field] ?? field };
};

const scopeLabels: Record<string, string> = {
  ...{ target: "Target", org: "Only organization", rule: "Only rule" },
  reason: "Reason (clear to a colleague)",
};

type Trial = {
  /** what it would do */
  tried: Html;
  /** the version of the policy that it was tried on */
  seen: string;
  /** what was tried, as `contentOf` says it; undefined: nothing was */
  content?: string;
};

/** What a trial was of, to compare what is applied with. */
const contentOf = (scope: Scope, change: AnyRow): string =>
  createHash("sha256")
    .update(JSON.stringify([scope.target ?? null, scope.org ?? null, scope.rule ?? null, change]))
    .digest("hex");

async function form(
  ask: Ask,
  scope: Scope,
  { problem, tried, seen, content }: { problem?: Problem } & Partial<Trial> = {},
): Promise<Html> {
  if (!ask.person.mayAct)
    return html`<p class="empty">You may look, not act: an operator can try a change, and apply it.</p>`;
  const takes = await takesLong(ask, scope);
  const value = (name: string) => field(ask, `set_${name}`) ?? "";
  const input = ([name, { label, hint, kind }]: [string, (typeof settings)[string]]) =>
    html`<div><label for="set-${name}">${label}</label>${
      kind === "flag"
        ? html`<select id="set-${name}" name="set_${name}"${invalid(problem, `set_${name}`)}><option value="">as it is</option>${["yes", "no"].map((one) => html`<option${value(name) === one ? html` selected` : ""}>${one}</option>`)}</select>`
        : html`<input id="set-${name}" name="set_${name}" value="${value(name)}" placeholder="${hint ?? ""}" autocomplete="off"${invalid(problem, `set_${name}`)}>`
    }</div>`;
  return html`${problem && problemShown(problem, placeOf)}
<p>What is left empty stays as it is; ${emptyWord} takes a setting away. Trying changes nothing.</p>
<form class="act" method="post" action="/console/policies"${content !== undefined && html` data-tried`}>${proof(ask.csrf)}${content !== undefined && html`<input type="hidden" name="seen" value="${seen}"><input type="hidden" name="tried" value="${content}">`}
<div><label for="p-target">Target</label><select id="p-target" name="target"${invalid(problem, "target")}>${targetNames.map((one) => html`<option${one === scope.target ? html` selected` : ""}>${one}</option>`)}</select></div>
${(["org", "rule"] as const).map((name) => html`<div><label for="p-${name}">${scopeLabels[name]}</label><input id="p-${name}" name="${name}" value="${scope[name] ?? ""}" autocomplete="off"${invalid(problem, name)}></div>`)}
${Object.entries(settings).map(input)}
<div class="wide">${takes && html`<p id="try-takes">${takes.words}</p>`}<button name="do" value="try" formaction="/console/policies#tried"${takes && html` aria-describedby="try-takes" data-takes="${takes.seconds}"`}>Try it</button></div>
${tried && html`<div class="wide">${tried}</div>`}${
  content !== undefined &&
  html`<div class="wide"><label for="p-reason">${scopeLabels.reason}</label><input id="p-reason" name="reason" value="${field(ask, "reason") ?? ""}" minlength="5"${invalid(problem, "reason")}></div><div class="wide"><p id="untried" role="status"></p><button name="do" value="apply" aria-describedby="untried">Apply it now</button></div>`
}
</form>${await settingsNow(ask, scope)}`;
}

const queryCanceled = "57014";

/** What takes less than this needs no announcement. */
const momentSeconds = 2;

const weekAgo = () => new Date(Date.now() - 7 * 86_400_000).toISOString();

/** How long a trial will take where that is more than a moment, in words and in seconds. */
async function takesLong(ask: Ask, scope: Scope): Promise<{ words: string; seconds: number } | undefined> {
  const { target, org, rule } = scope;
  if (target === undefined || (org !== undefined && !/^\d{1,18}$/.test(org))) return undefined;
  const { now, past } = await ask.read(async (db) => ({
    now: await sql.trialEstimate(db, { target, org }),
    past: isWhole({ org, rule }) ? await sql.trialEstimate(db, { target, from: weekAgo() }) : undefined,
  }));
  const seconds = (now?.seconds ?? 0) + (past?.seconds ?? 0);
  if (!now || seconds < momentSeconds) return undefined;
  const more = past && past.seconds === null ? ", and longer for the last week" : "";
  return {
    words:
      `This takes about ${Math.ceil(seconds)} s, for ${now.decisions} decisions before and after` +
      `${more}.`,
    seconds: Math.ceil(seconds),
  };
}

/** The past is tried for a whole target only. */
const isWhole = ({ org, rule }: Scope) => org === undefined && rule === undefined;

/** What each setting means, and what it is now for whoever the form is about. */
async function settingsNow(ask: Ask, { org, rule }: Scope): Promise<Html> {
  const { meanings, inForce } = await ask.read(async (db) => ({
    meanings: await sql.columnMeanings(db, "policy"),
    inForce: await sql.policiesAbout(db, { org, rule }),
  }));
  const whose = (row: AnyRow) =>
    [row.target, row.org_id && `organization ${row.org_id}`, row.rule_name && `rule ${row.rule_name}`]
      .filter(Boolean)
      .map((part) => cutText(String(part), 60))
      .join(", ");
  return html`<h2>What the settings are now</h2>${plainTable(
    Object.entries(settings).map(([name, { label }]) => ({ name, label })),
    [
      { name: "label", label: "Setting" },
      { name: "meaning", cell: (row) => meant(meanings[String(row.name)]) },
      ...inForce.map((policy) => ({
        name: whose(policy),
        label: whose(policy),
        cell: (row: AnyRow) => shown(policy[String(row.name)]),
      })),
    ],
    "",
  )}`;
}

const notTried =
  "The form was changed after it was tried. Nothing was applied; below is what the change does as it is now.";

/** Tries a change, and applies what was tried. */
export const policiesAct: Handler = async (ask) => {
  const what = oneOf(ask, ["try", "apply"]);
  const scope = { target: field(ask, "target") ?? "", org: field(ask, "org"), rule: field(ask, "rule") };
  const head = tabs("/console/policies", "try", views);
  const change = changeOf(ask);
  const page = async (status: number, more: Parameters<typeof form>[2]) => ({
    title: "Policies",
    status,
    body: html`${head}${await form(ask, scope, more)}`,
  });
  try {
    if (what === "apply" && Object.keys(change).length > 0) {
      if (field(ask, "tried") !== contentOf(scope, change))
        return await page(409, { problem: { message: notTried }, ...(await attempt(ask, scope, change)) });
      const seen = field(ask, "seen") ?? "";
      const reason = field(ask, "reason") ?? "";
      await ask.act("set policy", { ...scope, change, reason }, async (db) => {
        const present = (await sql.policyToChange(db, scope)) ?? "none";
        if (present !== seen) throw new Overtaken(present);
        await sql.setPolicy(db, scope, change, reason);
      });
      return new Redirect("/console/policies?view=history&done=applied");
    }
    return await page(200, await attempt(ask, scope, change));
  } catch (error) {
    if (error instanceof Overtaken) return await overtaken(ask, error.message, scope, change, page);
    const values = Object.fromEntries(Object.keys(ask.form).map((name) => [name, field(ask, name)]));
    const problem = problemOf(error, values, { rules, columns });
    if (problem === undefined) throw error;
    // what was tried is as it was, where only the reason is refused
    const again = problem.field === "reason" ? await attempt(ask, scope, change) : {};
    return await page(400, { problem, ...again });
  }
};

async function overtaken(
  ask: Ask,
  present: string,
  scope: { target: string; org: string | undefined; rule: string | undefined },
  change: AnyRow,
  page: (status: number, more: Parameters<typeof form>[2]) => ReturnType<Handler>,
): ReturnType<Handler> {
  const [row] = present === "none" ? [] : await ask.read((db) => sql.policyVersion(db, present));
  const { tried, ...again } = await attempt(ask, scope, change);
  const theirs = row
    ? html`<h2>What was done meanwhile</h2><p>${shown(row.changed_by)} changed this policy at ${time(row.since)}: ${shown(row.reason)}</p><details><summary>The policy as it is now</summary>${versionOf(row)}</details>`
    : html`<h2>What was done meanwhile</h2><p>The policy was ended.</p>`;
  return page(409, {
    problem: {
      message:
        "Somebody else changed this policy since you tried yours. Nothing was applied; below is what your " +
        "change does now.",
    },
    tried: html`${theirs}${tried}`,
    ...again,
  });
}

const mostRows = 200;

/** A replay that is expected to take longer than this is not begun: a page waits for two minutes at most. */
const mostReplaySeconds = 100;

/** What the change would have sent, by day; undefined where that takes longer than a page waits. */
async function lastWeek(ask: Ask, target: string, change: AnyRow): Promise<AnyRow[] | undefined> {
  const from = weekAgo();
  const expected = await ask.read((db) => sql.trialEstimate(db, { target, from }));
  if ((expected?.seconds ?? 0) > mostReplaySeconds) return undefined;
  try {
    return await ask.attempt((db) => sql.compareBacktest(db, target, from, change));
  } catch (error) {
    if (codeOf(error) !== queryCanceled) throw error;
    return undefined;
  }
}

/** The command that asks the same of all workers, fit for a shell. */
function surveyOf(target: string, change: AnyRow): string {
  const typed = (value: unknown) =>
    Array.isArray(value) ? value.join(",") || "," : value === null ? "" : String(value);
  const settings = Object.entries(change).map(([name, value]) => `${name}=${typed(value)}`);
  const words = [...settings, "--target", target, "--from", weekAgo().slice(0, 10)].map((word) =>
    /^[\w=.,:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  return `ccx survey ask backtest ${words.join(" ")}`;
}

/** The difference now, and over the last week. All of it is rolled back. */
async function attempt(
  ask: Ask,
  scope: { target: string; org: string | undefined; rule: string | undefined },
  change: AnyRow,
): Promise<Trial> {
  if (Object.keys(change).length === 0)
    return {
      tried: html`<p class="empty">Nothing is changed: fill in what should be another.</p>`,
      seen: "",
    };
  const { seen, rows } = await ask.attempt(async (db) => {
    const present = (await sql.policyToChange(db, scope)) ?? "none";
    await sql.setPolicy(db, scope, change, "tried in the console");
    return { seen: present, rows: await sql.diffByRule(db, scope) };
  });
  const days = isWhole(scope) ? await lastWeek(ask, scope.target, change) : [];
  const of = (column: string) => (days ?? []).map((day) => Number(day[column]));
  const sum = (column: string) => of(column).reduce((all, one) => all + one, 0);
  const counted = (side: "before" | "after") =>
    rows.reduce((all, row) => all + (row[side] === "notify" ? Number(row.decisions) : 0), 0);
  const tried = html`<section id="tried"><h2>What it would change now</h2>${
    rows.length > 0 &&
    html`<p>${String(rows.reduce((all, row) => all + Number(row.decisions), 0))} decisions would change: ${
      counted("after") === 0 && counted("before") === 0
        ? "all of these are held before and after, only the reasons are others"
        : `of these ${counted("after")} would notify instead of ${counted("before")}`
    }. <a href="#p-reason">Apply it</a> below.</p>`
  }${plainTable(
    rows.slice(0, mostRows),
    [
      { name: "target" },
      { name: "component", label: "Rule", cell: ruleLink },
      ...["before", "after"].map((name) => ({ name, cell: (row: AnyRow) => decided(row[name]) })),
      { name: "next_eligible", label: "May be notified again" },
      ...["decisions", "clusters", "organizations"].map((name) => ({ name, isNumber: true })),
    ],
    "Nothing: every decision of now stays what it is.",
  )}${rows.length > mostRows && html`<p>These are the first ${mostRows} of ${rows.length} kinds of change.</p>`}<h2>What it would have changed in the last week</h2>${
    !isWhole(scope)
      ? html`<p class="empty">The past is tried for a whole target: leave organization and rule empty to see it.</p>`
      : days === undefined
        ? html`<p class="empty">To replay it takes longer than a page waits. In parts, by all workers: <code>${surveyOf(scope.target, change)}</code></p>`
        : html`<p>${String(sum("issues"))} issues in ${String(sum("messages"))} messages instead of ${String(sum("issues_before"))} in ${String(sum("messages_before"))}.</p>${bars(
            "Issues notified, by day",
            (days ?? []).map(({ day }) => String(day).slice(5)),
            [
              { name: "as it was", kind: "b", values: of("issues_before") },
              { name: "with the change", kind: "a", values: of("issues") },
            ],
          )}`
  }</section>`;
  return { tried, seen, content: contentOf(scope, change) };
}
