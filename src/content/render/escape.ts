import { withoutInvisible } from "../../text/clean.ts";
import { type Format, findPlaces, type Place, valueSign } from "./places.ts";

/*
 * Own code: a parser of Markdown (micromark) takes a hundred times as long and more than linear time, here in
 * the thread that does everything else (docs/decisions/libraries.md). Tests compare with micromark.
 */

export type { Format } from "./places.ts";

/**
 * The sandbox puts a Unicode noncharacter, which no other text holds, the number of its tag and its length in
 * front of each value: what the value itself holds cannot end it.
 */
const mark = /\uFDD0(?:(\d+)\/)?(\d+):/g;
const strayMark = /\uFDD0/g;

const entities: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Turns what the sandbox rendered into the text for a receiver: values are escaped for the place they stand
 * in, what the author of the rule wrote stays as it is. Takes time linear in the length, whatever the text.
 *
 * @param doubted called with the number of the tag and the value where that begins a link that it may not
 */
export function settleValues(
  rendered: string,
  format: Format,
  doubted: (tag: number, value: string) => void = () => undefined,
): string {
  const { text, values, tags } = takeApart(rendered.toWellFormed());
  const places = findPlaces(text, format);
  let next = 0;
  return text.replaceAll(valueSign, () => {
    const value = values[next] ?? "";
    const tag = tags[next] ?? 0;
    const place = places[next++] ?? { in: "html" };
    const settled = escaped(value, place, format);
    if (place.in === "url" && settled === nowhere) doubted(tag, value);
    return settled;
  });
}

/** A value that is the whole text. */
export function escapeValue(value: string, format: Format): string {
  return settleValues(`${valueSign}${value.length}:${value}`, format);
}

/** The author's text with a mark for each value that is not empty, the values, and their tags. */
function takeApart(rendered: string): { text: string; values: string[]; tags: number[] } {
  const values: string[] = [];
  const tags: number[] = [];
  let text = "";
  let at = 0;
  mark.lastIndex = 0;
  for (let found = mark.exec(rendered); found; found = mark.exec(rendered)) {
    text += rendered.slice(at, found.index).replaceAll(strayMark, "");
    const start = mark.lastIndex;
    at = Math.min(rendered.length, start + Number(found[2]));
    const value = readable(rendered.slice(start, at));
    if (value !== "") {
      values.push(value);
      tags.push(Number(found[1] ?? 0));
      text += valueSign;
    }
    mark.lastIndex = at;
  }
  return { text: text + rendered.slice(at).replaceAll(strayMark, ""), values, tags };
}

/**
 * A pipe in code in a table, with the backslashes before it. An even number of them would end the cell there,
 * so there is always an odd one; where the value had an odd number itself, the code shows one more.
 */
const escapedPipe = (run: string): string => `${run.slice(0, -1)}${run.length % 2 === 0 ? "\\\\" : "\\"}|`;

/** Without what nobody sees, and with line feeds only. */
function readable(value: string): string {
  return withoutInvisible(value.toWellFormed())
    .replaceAll(strayMark, "")
    .replaceAll(/\r\n?|[\u2028\u2029\v\f\x85]/g, "\n");
}

function escaped(value: string, place: Place, format: Format): string {
  switch (place.in) {
    case "nowhere":
      return "";
    case "url":
      // what we take for a tag may be text to some reader of Markdown
      return place.tag
        ? escapeUrl(value, place.before).replaceAll("_", numeric)
        : escapeUrl(value, place.before);
    case "attribute":
      return value.replaceAll(/[^\p{L}\p{N}.:/-]/gu, numeric);
    case "html":
      return value.replaceAll(/[!-,;-@[-`{-~\n]/g, numeric);
    case "block":
      return value
        .split("\n")
        .map((line, at) => `${at === 0 ? "" : place.indent}${line.replace(/^[ \t>]*(?=`{3}|~{3})/, "    ")}`)
        .join("\n");
    case "span": {
      const line = value.replaceAll("`", "'").replaceAll(/\s*\n\s*/g, " ");
      return place.inTable ? line.replaceAll(/\\*\|/g, escapedPipe) : line;
    }
    case "text":
      return format === "html"
        ? value.replaceAll(/[&<>"']/g, (sign) => entities[sign] ?? sign)
        : escapeMarkdown(value, place);
  }
}

function numeric(sign: string): string {
  return `&#${sign.codePointAt(0)};`;
}

/** In place of a destination that a value may not choose. */
const nowhere = "about:blank";

/** A value that begins a destination decides where it leads; any other is a part of a path or query. */
function escapeUrl(value: string, before: string): string {
  const encoded = (text: string) => encodeURIComponent(text).replaceAll(/[!'()*~]/g, percent);
  if (before === "") {
    const url = value.trim();
    if (!/^(?:https?:\/\/|mailto:)[^\s]/i.test(url)) return nowhere;
    return encoded(url)
      .replaceAll(/%(?:2F|3A|3F|23|3D|40|2B|2C|3B)/g, decodeURIComponent)
      .replaceAll(/%25(?=[\dA-Fa-f]{2})/g, "%")
      .replaceAll("%26", "&amp;");
  }
  const inHost = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*$/i.test(before);
  return encoded(value).replaceAll(inHost ? /%3A/g : /%2F/g, decodeURIComponent);
}

function percent(sign: string): string {
  return `%${sign.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * Every line of a value is kept, except for blank ones, and none of them can begin a block; underscores
 * within words mean nothing anyway.
 */
function escapeMarkdown(value: string, place: Extract<Place, { in: "text" }>): string {
  if (/^[A-Za-z0-9]+$/.test(value)) return value;
  const { before, after, oneLine, lone } = place;
  const backslashes = before.length - before.replace(/\\+$/, "").length;
  let text = value.replaceAll(/[ \t]*\n\s*/g, oneLine ? " " : "\n");
  // a blank within the signs of emphasis would undo it, one at an end of a line means a break or code
  const atLineStart = /^[\s>#=+*\-\d.)`~_]*$/.test(before);
  if (atLineStart || /[*_~\\]$/.test(before)) text = text.trimStart();
  if (/^[*_~\n]?$/.test(after)) text = text.trimEnd();
  const lines = text
    .replaceAll(/[\\`*[\]<>|&~!]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, "\\$&")
    .split("\n")
    .map((line, at) => {
      if (at === 0 && !atLineStart) return line;
      return line.replace(/^(?:[#+=-]|:(?=-|$))/, "\\$&").replace(/^(\d{1,9})([.)])(?!\S)/, "$1\\$2");
    });
  let first = lines[0] ?? "";
  if (/\]$/.test(before)) first = first.replace(/^[(:]/, "\\$&");
  if (/^[\s>*+-]*\d+$/.test(before)) first = first.replace(/^(\d*)([.)])/, "$1\\$2");
  // the author's backslash would take the first of ours
  if (backslashes % 2 === 1 && /^[!-/:-@[-`{-~]/.test(first)) first = `\\${first}`;
  lines[0] = first;
  const settled = lines.join("\n");
  return lone ? settled.replaceAll("\\`", "&#96;") : settled;
}
