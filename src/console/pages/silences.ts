import { type Ask, field, type Handler, NotThere, oneOf, Redirect } from "../ask.ts";
import { invalid, type Problem, problemOf, problemShown } from "../form.ts";
import { nothing, shown, time } from "../format.ts";
import { type Html, html } from "../html.ts";
import { proof, tabs } from "../layout.ts";
import { listOn } from "../list_page.ts";
import { clusterLink, looks, ruleLink } from "../looks.ts";
import * as sql from "../sql.ts";
import { plainTable } from "../table.ts";
import { viewOf } from "./lists.ts";

const views = { silences: "Silences", add: "Add one", acknowledgements: "Acknowledgements" };

/** What is held, until when and why; a form for another one. */
export const silencesPage: Handler = async (ask) => {
  const view = viewOf(ask, views);
  const head = tabs(ask.path, view, views);
  if (view === "add") return { title: "Silences", body: html`${head}${form(ask, ask.query)}` };
  const isSilences = view === "silences";
  const { body, status } = await listOn(ask, isSilences ? looks.silences : looks.acknowledgements, {
    own: { view },
    ...(isSilences &&
      ask.person.mayAct && {
        lead: {
          label: "End",
          cell: (row) =>
            row.state === "expired"
              ? nothing
              : html`<form method="post" action="/console/silences" class="inline">${proof(ask.csrf)}<input type="hidden" name="id" value="${String(row.id)}"><button class="secondary small" name="do" value="ask-end" aria-label="End silence ${String(row.id)}">End…</button></form>`,
        },
      }),
  });
  return { title: "Silences", status, body: html`${head}${body}` };
};

const names = ["org", "cluster", "rule", "error_key", "tag"] as const;
const labels: Record<string, string> = {
  org: "Organization",
  cluster: "Cluster",
  rule: "Rule (or rule|ERROR_KEY)",
  error_key: "Error key",
  tag: "Tag of the rule",
  until: "Ends at (UTC)",
  for: "or lasts",
  reason: "Reason (clear to a colleague)",
  everything: "everything",
};

/** Which field a rule of add_silence() is about. */
const rules: Record<string, string> = {
  ...{ NTC04: "error_key", NTS01: "until", NTS02: "until", NTS03: "reason", NTS04: "everything" },
  ...{ NTS05: "everything", NTS07: "until" },
};

type Values = Record<string, string | undefined>;

function form(
  ask: Ask,
  values: Values,
  { problem, preview }: { problem?: Problem; preview?: Html } = {},
): Html {
  if (!ask.person.mayAct)
    return html`<p class="empty">You may look, not act: an operator can add a silence.</p>`;
  const placeOf = (name: string) => ({ id: `silence-${name}`, label: labels[name] ?? name });
  const input = (name: string, more: Html | "" = "") =>
    html`<div><label for="silence-${name}">${placeOf(name).label}</label><input id="silence-${name}" name="${name}" value="${values[name] ?? ""}" autocomplete="off"${invalid(problem, name)}${more}></div>`;
  return html`${problem && problemShown(problem, placeOf)}<p>A silence holds what matches everything that is given here, until it ends.</p>
<form class="act" method="post" action="/console/silences">${proof(ask.csrf)}
${names.map((name) => input(name))}
${input("until", html` placeholder="2026-12-24T08:00Z"`)}${input("for", html` placeholder="2 days"`)}
${input("reason", html` required minlength="5"`)}
<div class="wide"><label class="tick"><input type="checkbox" id="silence-everything" name="everything"${invalid(problem, "everything")} value="yes"${values.everything === "yes" ? html` checked` : ""}> hold every notification, if organization, cluster, rule, error key and tag are empty</label></div>
<div class="wide"><button name="do" value="preview">Preview what it would hold</button>${preview && html` <button name="do" value="add">Add the silence</button>`}</div></form>${preview}`;
}

/** Previews, adds and ends silences. */
export const silencesAct: Handler = async (ask) => {
  const what = oneOf(ask, ["ask-end", "end", "preview", "add"]);
  if (what === "ask-end" || what === "end") return end(ask, what === "end");
  const values: Values = Object.fromEntries(
    [...names, "until", "for", "reason", "everything"].map((name) => [name, field(ask, name)]),
  );
  const { org, cluster, rule, error_key: errorKey, tag, reason = "" } = values;
  const matchers = { org, cluster, rule, errorKey, tag };
  const everything = values.everything === "yes";
  const silence = { ...matchers, until: values.until, for: values.for, reason, everything };
  const head = tabs("/console/silences", "add", views);
  try {
    if (what === "add") {
      await ask.act("silence", silence, (db) => sql.addSilence(db, silence));
      return new Redirect("/console/silences?done=silenced");
    }
    // what the database would refuse is said now; the silence itself is rolled back
    const held = await ask.attempt(async (db) => {
      await sql.addSilence(db, silence);
      return sql.previewSilence(db, matchers);
    });
    const preview = html`<h2>It would hold ${String(held.length)} open issues</h2>${plainTable(
      held.slice(0, 200),
      [
        { name: "org_id", isNumber: true },
        { name: "cluster", cell: (row) => clusterLink(row.cluster) },
        { name: "component", label: "Rule", cell: ruleLink },
        { name: "first_seen" },
      ],
      "It would hold nothing that is open now.",
    )}${held.length > 200 && html`<p>These are the first 200.</p>`}`;
    return { title: "Silences", body: html`${head}${form(ask, values, { preview })}` };
  } catch (error) {
    const problem = problemOf(error, values, { rules });
    if (problem === undefined) throw error;
    return { title: "Silences", status: 400, body: html`${head}${form(ask, values, { problem })}` };
  }
};

async function end(ask: Ask, isMeant: boolean): Promise<Awaited<ReturnType<Handler>>> {
  const id = field(ask, "id") ?? "";
  if (!/^\d{1,18}$/.test(id)) throw new NotThere(`There is no silence "${id}".`);
  if (isMeant) {
    await ask.act("end silence", { id }, (db) => sql.endSilence(db, id));
    return new Redirect("/console/silences?done=ended");
  }
  const [silence] = await ask.read((db) => sql.silence(db, id));
  if (!silence) throw new NotThere(`There is no silence ${id}.`);
  return {
    title: `End silence ${id}?`,
    body: html`<p>${shown(silence.reason)}, by ${shown(silence.created_by)}, until ${time(silence.ends_at)}. What it holds is decided on again at once.</p>
<form class="act" method="post" action="/console/silences">${proof(ask.csrf)}<input type="hidden" name="id" value="${id}"><div><button name="do" value="end">End it now</button> <a href="/console/silences">Leave it</a></div></form>`,
  };
}
