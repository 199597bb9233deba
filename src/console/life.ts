import type { AnyRow } from "../db/rows.ts";
import { cutText } from "../text/cut.ts";
import { type Html, html } from "./html.ts";

const left = 170;
const wide = 760;
const rowHeight = 22;

/**
 * The life of a cluster on a time axis, a lane for each thing: bars from beginning to end, marks for what
 * happens at once, and the cursor. Drawn on the server; a script lets a click move the cursor.
 */
export function life(rows: AnyRow[], from: string, to: string, at: string): Html {
  const begin = Date.parse(from);
  const span = Math.max(1, Date.parse(to) - begin);
  const x = (value: unknown) => {
    const text = String(value);
    const ms = text.startsWith("-inf") ? begin : text.startsWith("inf") ? begin + span : Date.parse(text);
    return left + Math.min(1, Math.max(0, (ms - begin) / span)) * wide;
  };
  const laneOf = (row: AnyRow) => String(row.lane);
  const order = ["report", "issue", "notification", "skipped", "silence"];
  const lanes = [
    ...new Set(
      rows.toSorted((a, b) => order.indexOf(String(a.kind)) - order.indexOf(String(b.kind))).map(laneOf),
    ),
  ].slice(0, 40);
  const height = lanes.length * rowHeight + 18;
  const y = (row: AnyRow) => lanes.indexOf(laneOf(row)) * rowHeight + 6;
  const ticks = Array.from({ length: 7 }, (_, nth) => begin + (span * nth) / 6);
  const anchor = (nth: number) => (nth === 0 ? "start" : nth === 6 ? "end" : "middle");
  const label = (ms: number) =>
    new Date(ms)
      .toISOString()
      .slice(span > 2 * 86_400_000 ? 5 : 11, 16)
      .replace("T", " ");
  return html`<svg class="life" viewBox="0 0 ${left + wide + 10} ${height + 14}" role="img" aria-label="The life of the cluster; the table below says the same" data-from="${from}" data-to="${to}" data-left="${left}" data-width="${wide}">
${lanes.map(
  (lane, nth) =>
    html`<line class="lane" x1="0" x2="${left + wide}" y1="${(nth + 1) * rowHeight}" y2="${(nth + 1) * rowHeight}"></line><text x="0" y="${nth * rowHeight + 16}"><title>${cutText(lane, 300)}</title>${lane.length > 24 ? `${cutText(lane, 23)}…` : lane}</text>`,
)}
${rows.filter((row) => lanes.includes(laneOf(row))).map((row) => mark(row, x, y(row)))}
${ticks.map((ms, nth) => html`<text text-anchor="${anchor(nth)}" x="${(left + (wide * nth) / 6).toFixed(0)}" y="${height + 8}">${label(ms)}</text>`)}
<line class="cursor" x1="${x(at).toFixed(1)}" x2="${x(at).toFixed(1)}" y1="0" y2="${height - 8}"><title>the moment that is asked about</title></line>
</svg>`;
}

function mark(row: AnyRow, x: (value: unknown) => number, y: number): Html {
  const from = x(row.begins).toFixed(1);
  const title = html`<title>${cutText(String(row.kind), 40)}: ${cutText(String(row.label), 200)}, ${String(row.begins)}${row.ends ? ` to ${String(row.ends)}` : ""} ${cutText(String(row.detail ?? ""), 300)}</title>`;
  if (row.kind === "issue" || row.kind === "silence") {
    const width = Math.max(3, x(row.ends ?? "infinity") - Number(from)).toFixed(1);
    return html`<rect class="${String(row.kind)}" x="${from}" y="${y}" width="${width}" height="12">${title}</rect>`;
  }
  if (row.kind === "report")
    return html`<line class="report" x1="${from}" x2="${from}" y1="${y}" y2="${y + 12}">${title}</line>`;
  if (row.kind === "notification")
    return html`<path class="notification" d="M${from} ${y}l6 6l-6 6l-6 -6z">${title}</path>`;
  return html`<circle class="skipped" cx="${from}" cy="${y + 6}" r="3">${title}</circle>`;
}
