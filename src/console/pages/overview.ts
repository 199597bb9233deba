import { codeOf } from "../../db/errors.ts";
import type { AnyRow, Db } from "../../db/rows.ts";
import { type Ask, type Handler, isFor } from "../ask.ts";
import { seconds, shown, time, words } from "../format.ts";
import { type Html, html } from "../html.ts";
import { bars } from "../plot.ts";
import * as sql from "../sql.ts";

/** What the amount of is no number of things that wait: a state, which the detail says. */
const withoutAmount = new Set(["consumer", "circuit"]);

/** Where to look at what a row of the view status speaks of. */
const placeOfStatus: Record<string, string> = {
  consumer: "/console/storage?view=consumer",
  "decisions waiting": "/console/new?view=stuck",
  "messages waiting": "/console/deliveries?view=waiting",
  "messages dead": "/console/deliveries?view=dead",
  circuit: "/console/deliveries?view=circuit",
  "rejected messages": "/console/rejected",
  storms: "/console/deliveries?view=storms",
};

export const overview: Handler = async (ask) => {
  const [attention, line, hours, wait] = [
    await part(ask, sql.status, "status"),
    await part(ask, sql.stations, "stations"),
    await part(ask, sql.busyHours, "hours"),
    await part(ask, async (db) => [await sql.seenToNotified(db)], "seen"),
  ];
  return {
    title: "Overview",
    body: html`<section id="attention" data-live><h2>What needs attention</h2>${attentionOf(attention)}</section>
<section id="stations" data-live><h2>The way of a report</h2><p class="says">From the topic to the customer: what waits at each station, and how much passed it in the last hour.</p>${stationsOf(line)}</section>
<section id="hours" data-live><h2>The last day, by hour</h2>${hoursOf(hours)}</section>
<section id="seen" data-live><h2>From seen to notified</h2>${seenOf(wait)}</section>`,
  };
};

const closed = html`<p class="empty">Your role does not see this part.</p>`;

/** Some parts are for people who run the service: who may not see one sees the others. */
async function part(
  ask: Ask,
  work: (db: Db) => Promise<AnyRow[]>,
  name: string,
): Promise<AnyRow[] | undefined> {
  if (!isFor(ask.person, name)) return undefined;
  try {
    return await ask.read(work);
  } catch (error) {
    if (codeOf(error) === "42501") return undefined;
    throw error;
  }
}

function attentionOf(rows: AnyRow[] | undefined): Html {
  if (!rows) return closed;
  const found = rows.filter(({ state }) => state !== "ok");
  if (found.length === 0)
    return html`<p class="empty">Nothing: the consumer, the workers, the messages and the circuits are well.</p>`;
  return html`<ul class="attention">${found.map((row) => {
    const target = Boolean(row.target) && html` (${shown(row.target)})`;
    const amount = !withoutAmount.has(String(row.what)) && html`: ${shown(row.amount)}`;
    const what = html`${shown(words(String(row.what)))}${target}${amount}`;
    const to = placeOfStatus[String(row.what)];
    return html`<li>${to ? html`<a href="${to}">${what}</a>` : html`<strong>${what}</strong>`}${
      Boolean(row.oldest) &&
      html`, ${withoutAmount.has(String(row.what)) ? "since" : "the oldest since"} ${time(row.oldest)}`
    }${Boolean(row.detail) && html`. ${sentence(row)}`}</li>`;
  })}</ul>`;
}

/** What the view status says to who reads it in a terminal, as the page can lead on by itself. */
const detailHere: Record<string, string> = {
  "messages waiting": "The list says why each waits.",
  "messages dead": "The list says why, and tries them again.",
};

function sentence(row: AnyRow): Html {
  const text = String(row.detail).replaceAll(/(\d\d:\d\d:\d\d)(?:\.\d+)?\+00\b/g, "$1");
  return shown(
    detailHere[String(row.what)] ??
      `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`,
  );
}

const placeOfStation: Record<string, string> = {
  "results topic": "/console/rejected",
  decisions: "/console/new",
  delivery: "/console/deliveries",
};

function stationsOf(rows: AnyRow[] | undefined): Html {
  if (!rows) return closed;
  return html`<ol class="stations">${rows.map((row) => {
    const isWell = row.state === "ok" || row.state === "circuit closed";
    return html`<li class="${!isWell && "attention"}"><strong><a href="${placeOfStation[String(row.station)] ?? "/console/"}">${shown(row.station)}</a></strong>${
      Boolean(row.target) && shown(row.target)
    }<dl><dt>waiting</dt><dd>${row.waiting === null ? "unknown" : String(row.waiting)}</dd><dt>oldest since</dt><dd>${time(row.oldest)}</dd><dt>in the last hour</dt><dd>${String(row.per_hour)}</dd><dt>state</dt><dd>${
      isWell ? "✔ " : "⚠ "
    }${shown(row.state)}</dd></dl></li>`;
  })}</ol>`;
}

function hoursOf(rows: AnyRow[] | undefined): Html {
  if (!rows) return closed;
  const of = (column: string) => rows.map((row) => Number(row[column]));
  const labels = rows.map(({ hour }) => String(hour).slice(11, 16));
  return bars("Per hour (UTC)", labels, [
    { name: "clusters, by their newest report", kind: "a", values: of("reports") },
    { name: "messages decided", kind: "b", values: of("notified") },
    { name: "reports that notified nothing", kind: "c", values: of("skipped") },
  ]);
}

function seenOf(rows: AnyRow[] | undefined): Html {
  const [row] = rows ?? [];
  if (!row) return closed;
  if (Number(row.messages) === 0)
    return html`<p class="empty">How long customers waited would stand here: no message was sent in the last day.</p>`;
  return html`<p>Half of the newest ${String(row.messages)} messages of the last day were sent within <strong>${seconds(row.p50)}</strong> of the arrival of their report (p50), 99 of 100 within <strong>${seconds(row.p99)}</strong> (p99).</p>`;
}
