import type { AnyRow, Db } from "../../db/rows.ts";
import { type Ask, field, fields, type Handler, NotThere, oneOf, Redirect } from "../ask.ts";
import { invalid, type Problem, problemOf, problemShown } from "../form.ts";
import { nothing, shown, time, words } from "../format.ts";
import { type Html, html } from "../html.ts";
import { proof, tabs } from "../layout.ts";
import { listOn } from "../list_page.ts";
import { clusterLink, looks, ruleInWords, targetNames, titleOnly } from "../looks.ts";
import * as sql from "../sql.ts";
import { plainTable } from "../table.ts";
import { viewOf } from "./lists.ts";

const views = {
  waiting: "Waiting",
  dead: "Dead",
  circuit: "Circuit",
  replay: "Replay",
  storms: "Storms",
};

export const deliveriesPage: Handler = async (ask) => {
  const view = viewOf(ask, views);
  const head = tabs(ask.path, view, views);
  if (view === "circuit") return { title: "Deliveries", body: html`${head}${await circuits(ask)}` };
  if (view === "replay") return { title: "Deliveries", body: html`${head}${replayForm(ask, ask.query)}` };
  if (view !== "dead") {
    const { body, status } = await listOn(ask, view === "waiting" ? looks.waiting : looks.storms, {
      own: { view },
    });
    return { title: "Deliveries", status, body: html`${head}${body}` };
  }
  const { body, status } = await listOn(ask, looks.dead, {
    own: { view },
    ...(ask.person.mayAct && {
      lead: {
        label: "Redrive",
        cell: (row) =>
          row.redrivable === true
            ? html`<input type="checkbox" name="id" value="${String(row.notification_id)}" aria-label="Redrive message ${String(row.notification_id)}">`
            : nothing,
      },
      wrap: (table, rows) =>
        rows.some(({ redrivable }) => redrivable === true)
          ? html`<form method="post" action="/console/deliveries">${proof(ask.csrf)}${table}<button class="small" name="do" value="redrive">Redrive what is ticked</button> <button type="button" class="small secondary outline" data-all="id">Tick all of this page</button></form>`
          : table,
    }),
  });
  return { title: "Deliveries", status, body: html`${head}${body}` };
};

async function circuits(ask: Ask): Promise<Html> {
  const rows = await ask.read(sql.circuits);
  return html`<p class="says">A closed circuit lets messages through. It opens when a target that is down fails several times in a row: then its messages wait, and a few are tried from time to time, until one gets through.</p><div id="circuits" data-live>${plainTable(
    rows,
    [
      { name: "target" },
      { name: "state", cell: (row) => html`${row.state === "closed" ? "✔ " : "⚠ "}${shown(row.state)}` },
      ...["since", "probe_at"].map((name) => ({ name })),
      ...["failed_probes", "failures"].map((name) => ({ name, isNumber: true })),
      ...["last_failure", "last_error", "last_failed_at"].map((name) => ({ name })),
      { name: "waiting", isNumber: true },
      ...(ask.person.mayAct
        ? [
            {
              name: "close",
              label: "Close",
              cell: (row: AnyRow) =>
                row.state === "closed"
                  ? nothing
                  : html`<form method="post" action="/console/deliveries" class="inline">${proof(ask.csrf)}<input type="hidden" name="target" value="${String(row.target)}"><button class="small" name="do" value="close">Close it now</button></form>`,
            },
          ]
        : []),
    ],
    "Targets would stand here.",
  )}</div>`;
}

type Values = Record<string, string | undefined>;

const replayLabels: Record<string, string> = {
  ...{ from: "From (UTC)", to: "Before (UTC)", target: "Target", org: "Organization" },
  ...{ cluster: "Cluster", rule: "Rule" },
};

/** Which field a rule of replay() is about. */
const replayRules = { NTD02: "to", NTG01: "target", NTC04: "rule" };

function replayForm(
  ask: Ask,
  values: Values,
  { problem, preview }: { problem?: Problem; preview?: Html } = {},
): Html {
  if (!ask.person.mayAct)
    return html`<p class="empty">You may look, not act: an operator can replay a period.</p>`;
  const placeOf = (name: string) => ({ id: `replay-${name}`, label: replayLabels[name] ?? name });
  const input = (name: string, hint = "") =>
    html`<div><label for="replay-${name}">${placeOf(name).label}</label><input id="replay-${name}" name="${name}" value="${values[name] ?? ""}" placeholder="${hint}" autocomplete="off"${invalid(problem, name)}></div>`;
  return html`${problem && problemShown(problem, placeOf)}<p>A replay sends what was sent in a past period again, under new ids: for a receiver that has lost it.</p>
<form class="act" method="post" action="/console/deliveries">${proof(ask.csrf)}
${input("from", "2026-12-24T08:00Z")}${input("to", "2026-12-24T12:00Z")}
<div><label for="replay-target">Target</label><select id="replay-target" name="target"${invalid(problem, "target")}><option value="">all</option>${targetNames.map((one) => html`<option${values.target === one ? html` selected` : ""}>${one}</option>`)}</select></div>
${["org", "cluster", "rule"].map((name) => input(name))}
<div class="wide"><label class="tick"><input type="checkbox" name="again" value="yes"${values.again === "yes" ? html` checked` : ""}> also what was replayed already</label></div>
<div class="wide"><button name="do" value="preview-replay">Preview what it would send</button>${preview && html` <button name="do" value="replay">Send it again</button>`}</div></form>${preview}`;
}

/** Redrives, replays, closes a circuit. */
export const deliveriesAct: Handler = async (ask) => {
  const what = oneOf(ask, ["redrive", "close", "preview-replay", "replay"]);
  if (what === "redrive") return redrive(ask);
  if (what === "close") {
    const target = field(ask, "target") ?? "";
    await ask.act("close circuit", { target }, (db) => sql.closeCircuit(db, target));
    return new Redirect("/console/deliveries?view=circuit&done=closed");
  }
  const head = tabs("/console/deliveries", "replay", views);
  const values: Values = Object.fromEntries(
    ["from", "to", "target", "org", "cluster", "rule", "again"].map((name) => [name, field(ask, name)]),
  );
  const { from = "", to = "", target, org, cluster, rule } = values;
  const it: sql.Replay = { from, to, target, org, cluster, rule, again: values.again === "yes" };
  try {
    if (what === "replay") {
      await ask.act("replay", it, (db) => sql.replay(db, it));
      return new Redirect("/console/deliveries?done=replayed");
    }
    const rows = await ask.read((db) => sql.replayable(db, it));
    const preview = html`<h2>It would send</h2>${plainTable(
      rows,
      [
        { name: "target" },
        { name: "state", label: "Ended as" },
        ...["messages", "issues", "clusters"].map((name) => ({ name, isNumber: true })),
      ],
      "Nothing: no message of that period matches.",
    )}`;
    const isSome = rows.length > 0;
    return {
      title: "Deliveries",
      body: html`${head}${replayForm(ask, values, isSome ? { preview } : {})}${!isSome && preview}`,
    };
  } catch (error) {
    const problem = problemOf(error, values, { rules: replayRules });
    if (problem === undefined) throw error;
    return { title: "Deliveries", status: 400, body: html`${head}${replayForm(ask, values, { problem })}` };
  }
};

async function redrive(ask: Ask): ReturnType<Handler> {
  const ids = fields(ask, "id").filter((id) => /^\d{1,18}$/.test(id));
  const back = html`<p><a href="/console/deliveries?view=dead">Back to the dead messages</a></p>`;
  if (ids.length === 0)
    return {
      title: "Deliveries",
      status: 400,
      body: html`<p class="problem" role="alert">No message is ticked.</p>${back}`,
    };
  const rows = await ask.act("redrive", { ids }, (db) => sql.redrive(db, ids));
  const refused = rows.filter(({ refusal }) => refusal !== null);
  if (refused.length === 0 && rows.length > 0) return new Redirect("/console/deliveries?done=redriven");
  const names = ["notification_id", "target", "issues", "left_out", "refusal"];
  return {
    title: "Deliveries",
    status: 409,
    body: html`<p>${String(rows.length - refused.length)} of ${String(ids.length)} messages are tried again.</p>${plainTable(
      rows,
      names.map((name) => ({ name, label: words(name) })),
      "None of them is dead any more.",
    )}${back}`,
  };
}

/** A message with the texts that its receiver gets. */
export type ShownMessage = {
  target: string;
  org_id: string;
  cluster: string;
  state: string;
  ended_at: string | null;
  report_is_kept: boolean;
  issues: { rule: string; total_risk: number | null; title: string; reason: string; error: string }[];
};
export type ShowMessage = (db: Db, id: string) => Promise<ShownMessage | undefined>;

/** The texts of a message, as they were or will be sent. */
export const messagePage =
  (show: ShowMessage): Handler =>
  async (ask) => {
    const { id = "" } = ask.params;
    const message = /^\d{1,18}$/.test(id) ? await ask.read((db) => show(db, id)) : undefined;
    if (!message) throw new NotThere(`There is no message ${id}, or your role does not see it.`);
    const hasNoText = message.issues.every(({ reason, error }) => reason === "" && error === "");
    return {
      title: `Message ${id}`,
      body: html`<p>To ${shown(message.target)}; ${shown(message.state)}${message.ended_at !== null && html` at ${time(message.ended_at)}`}. About cluster ${clusterLink(message.cluster)} of organization ${message.org_id}.</p>${
        !message.report_is_kept &&
        html`<p>The report is not kept any more, so details of the texts are missing.</p>`
      }${message.issues.length > 0 && hasNoText && titleOnly}${message.issues.map(
        (issue) =>
          html`<article><h2>${issue.title || "No text"}</h2><p>${ruleInWords(issue.rule)}, total risk ${issue.total_risk === null ? "unknown" : String(issue.total_risk)}</p>${
            issue.error !== ""
              ? html`<p class="problem">${issue.error}</p>`
              : issue.reason !== "" && html`<pre tabindex="0">${issue.reason}</pre>`
          }</article>`,
      )}${message.issues.length === 0 && html`<p class="empty">The issues of the message would stand here.</p>`}`,
    };
  };
