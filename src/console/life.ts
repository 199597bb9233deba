import type { AnyRow } from "../db/rows.ts";
import { cutText } from "../text/cut.ts";
import { type Html, html } from "./html.ts";

const laneHeight = 22;
const ticks = 6;

/**
 * The life of a cluster on a time axis, a lane for each thing: bars from beginning to end, marks for what
 * happens at once, and the cursor. Drawn on the server, with places as shares of the width: it is as wide as
 * the screen has room for, and its texts keep their size. A script lets a click move the cursor.
 */
export function life(rows: AnyRow[], from: string, to: string, at: string): Html {
  const begin = Date.parse(from);
  const span = Math.max(1, Date.parse(to) - begin);
  /** in percent of the width */
  const x = (value: unknown) => {
    const text = String(value);
    const ms = text.startsWith("-inf") ? begin : text.startsWith("inf") ? begin + span : Date.parse(text);
    return Math.min(1, Math.max(0, (ms - begin) / span)) * 100;
  };
  const laneOf = (row: AnyRow) => String(row.lane);
  const order = ["report", "issue", "notification", "skipped", "silence"];
  const lanes = [
    ...Map.groupBy(
      rows.toSorted((a, b) => order.indexOf(String(a.kind)) - order.indexOf(String(b.kind))),
      laneOf,
    ),
  ].slice(0, 40);
  const places = Array.from({ length: ticks + 1 }, (_, nth) => percent((100 * nth) / ticks));
  const anchor = (nth: number) => (nth === 0 ? "start" : nth === ticks ? "end" : "middle");
  const label = (nth: number) =>
    new Date(begin + (span * nth) / ticks)
      .toISOString()
      .slice(span > 2 * 86_400_000 ? 5 : 11, 16)
      .replace("T", " ");
  // a narrow screen has room for three of the times
  const minor = (nth: number) => nth % (ticks / 2) !== 0 && html` class="minor"`;
  return html`<div class="life" role="img" aria-label="The life of the cluster; the table below says the same" data-from="${from}" data-to="${to}">
<svg class="moments" width="100%" height="100%">${places.map((place) => html`<line class="grid" x1="${place}" x2="${place}" y1="0" y2="100%"></line>`)}</svg>
${lanes.map(
  ([lane, within]) =>
    html`<div class="lane"><span class="name" title="${cutText(lane, 300)}">${cutText(lane, 300)}</span><svg class="marks" width="100%" height="${laneHeight}">${within.map((row) => mark(row, x))}</svg></div>`,
)}
<svg class="moments" width="100%" height="100%"><line class="cursor" x1="${percent(x(at))}" x2="${percent(x(at))}" y1="0" y2="100%"><title>the moment that is asked about</title></line></svg>
<div class="lane times"><span class="name">time (UTC)</span><svg class="marks" width="100%" height="${laneHeight}">${places.map((place, nth) => html`<text text-anchor="${anchor(nth)}"${minor(nth)} x="${place}" y="15">${label(nth)}</text>`)}</svg></div>
</div>`;
}

const percent = (share: number) => `${share.toFixed(2)}%`;

function mark(row: AnyRow, x: (value: unknown) => number): Html {
  const from = x(row.begins);
  const place = percent(from);
  const title = html`<title>${cutText(String(row.kind), 40)}: ${cutText(String(row.label), 200)}, ${String(row.begins)}${row.ends ? ` to ${String(row.ends)}` : ""} ${cutText(String(row.detail ?? ""), 300)}</title>`;
  if (row.kind === "issue" || row.kind === "silence") {
    const width = percent(Math.max(0.4, x(row.ends ?? "infinity") - from));
    return html`<rect class="${String(row.kind)}" x="${place}" y="5" width="${width}" height="12">${title}</rect>`;
  }
  if (row.kind === "report")
    return html`<line class="report" x1="${place}" x2="${place}" y1="5" y2="17">${title}</line>`;
  if (row.kind === "notification")
    return html`<svg x="${place}" y="5"><path class="notification" d="M0 0l6 6l-6 6l-6 -6z">${title}</path></svg>`;
  return html`<circle class="skipped" cx="${place}" cy="11" r="3">${title}</circle>`;
}
