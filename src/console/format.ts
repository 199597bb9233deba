import { cutText } from "../text/cut.ts";
import { type Html, html } from "./html.ts";

const mostShown = 400;

/** A time in UTC; the script of the page adds the reader's own zone. */
export function time(value: unknown): Html {
  if (typeof value !== "string" || value === "") return nothing;
  if (/infinity/.test(value)) return html`${value.startsWith("-") ? "always" : "never ends"}`;
  const iso = value.replace(" ", "T").replace(/\+00(?::00)?$/, "Z");
  const [day, hour] = iso.slice(0, 19).split("T");
  return html`<time datetime="${iso}" title="UTC"><span>${day}</span> <span>${hour}</span></time>`;
}

/** What stands where there is no value; a narrow screen leaves it out. */
export const nothing: Html = html`<span class="nothing">–</span>`;

const isTime = (text: string) => /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d/.test(text);

/** Of an interval of the database people read no fractions of a second. */
const isDuration = (text: string) => /^(?:-?\d+ [a-z]+ )*-?\d\d+:\d\d:\d\d\.\d+$/.test(text);

/** A name that fits every column is not broken. */
const longestWhole = 14;

/** A name of a machine, which a narrow column breaks between its words. */
export const brokenName = (value: unknown): Html => {
  const text = String(value ?? "");
  if (text.length <= longestWhole || text.length > mostShown) return shown(value);
  return html`${text.split(/(?<=[_.|])/).map((word, nth) => html`${nth > 0 && html`<wbr>`}${word}`)}`;
};

/** A value of a row, as text for people. */
export function shown(value: unknown): Html {
  if (value === null || value === undefined || value === "") return nothing;
  if (typeof value === "boolean") return html`${value ? "yes" : "no"}`;
  if (Array.isArray(value))
    return value.length === 0
      ? nothing
      : html`${value.map((one, nth) => html`${nth > 0 && ", "}${shown(one)}`)}`;
  if (typeof value === "object") return html`<code>${cut(JSON.stringify(value))}</code>`;
  const text = String(value);
  if (isDuration(text)) return html`${text.replace(/\.\d+$/, "")}`;
  if (text === "00:00:00") return html`none`;
  if (/^-?infinity$/.test(text)) return time(text);
  return isTime(text) && text.length < 40 ? time(text) : html`${cut(text)}`;
}

/** A stranger's text in a table has its limits; the page about one thing shows all of it. */
function cut(text: string): Html {
  if (text.length <= mostShown) return html`${text}`;
  return html`<span title="${text.length} characters, of which these are the first">${cutText(text, mostShown)}…</span>`;
}

/** What the database says of a column, as who does not write SQL says it. */
export const meant = (comment: string | null | undefined): Html =>
  shown(comment?.replaceAll(/\bnull\b/g, "empty"));

/** A name of a column as words. */
export const words = (name: string): string => {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** Bytes, with a unit that people read. */
export function bytes(value: unknown): string {
  const count = Number(value);
  const units = ["B", "kB", "MB", "GB", "TB"];
  const unit = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${(count / 1000 ** unit).toFixed(unit === 0 ? 0 : 1)}\u{A0}${units[unit]}`;
}

/** A duration in seconds. */
export function seconds(value: unknown): string {
  if (value === null || value === undefined) return "–";
  const count = Number(value);
  if (count < 60) return `${count.toFixed(1)} s`;
  if (count < 3600) return `${(count / 60).toFixed(1)} min`;
  return `${(count / 3600).toFixed(1)} h`;
}
