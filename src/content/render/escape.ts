import { fenceAfter } from "../../text/fences.ts";

/*
 * Own code: a parser of Markdown (micromark) takes a hundred times as long and more than linear time, here in
 * the thread that does everything else (docs/decisions/libraries.md).
 */

/**
 * The markup of a receiver: `html` for the notifications backend, which puts texts into the HTML of an
 * e-mail, and `markdown` for the Service Log.
 */
export type Format = "html" | "markdown";

/**
 * The sandbox puts a Unicode noncharacter, which no other text holds, and its length in front of each value:
 * what the value itself holds cannot end it.
 */
const mark = /\uFDD0(\d+):/g;
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
 */
export function settleValues(rendered: string, format: Format): string {
  const { text, values } = takeApart(rendered.toWellFormed());
  const places = format === "markdown" ? findPlaces(text) : [];
  let next = 0;
  return text.replaceAll("\uFDD0", () => {
    const value = values[next] ?? "";
    const place = places[next++];
    if (place === undefined) return value.replaceAll(/[&<>"']/g, (sign) => entities[sign] ?? sign);
    if (place === "block") return value.replaceAll(/^[ \t>]*(?=`{3}|~{3})/gm, "    ");
    if (place === "span") return value.replaceAll("`", "'").replaceAll(/\s*\n\s*/g, " ");
    return escapeMarkdown(value, place === "line start");
  });
}

/** The author's text with a mark for each value that is not empty, and the values. */
function takeApart(rendered: string): { text: string; values: string[] } {
  const values: string[] = [];
  let text = "";
  let at = 0;
  mark.lastIndex = 0;
  for (let found = mark.exec(rendered); found; found = mark.exec(rendered)) {
    text += rendered.slice(at, found.index).replaceAll(strayMark, "");
    const start = mark.lastIndex;
    at = Math.min(rendered.length, start + Number(found[1]));
    const value = rendered.slice(start, at).replaceAll(strayMark, "");
    if (value !== "") {
      values.push(value);
      text += "\uFDD0";
    }
    mark.lastIndex = at;
  }
  return { text: text + rendered.slice(at).replaceAll(strayMark, ""), values };
}

/** Where a value stands: in a code block, in a code span, at the start of a line, or within one. */
type Place = "block" | "span" | "line start" | "line";

/** The places of all values, in order. Code shows backslashes, so it needs other care than running text. */
function findPlaces(text: string): Place[] {
  const places: Place[] = [];
  let fence: string | undefined;
  let paragraph: string[] = [];
  for (const line of text.split("\n")) {
    const before = fence;
    fence = fenceAfter(line, fence);
    if (before === undefined && fence === undefined && line.trim() !== "") {
      paragraph.push(line);
      continue;
    }
    places.push(...placesInParagraph(paragraph.join("\n")));
    paragraph = [];
    for (const _ of line.matchAll(/\uFDD0/g)) places.push(before === undefined ? "line" : "block");
  }
  places.push(...placesInParagraph(paragraph.join("\n")));
  return places;
}

/**
 * A code span is what stands between two runs of backticks of the same length; a run without its like is
 * text.
 */
function placesInParagraph(paragraph: string): Place[] {
  const signs = [...paragraph.matchAll(/\\[\\`]|`+|\n(?:[ \t>*+-]|\d+[.)][ \t])*|\uFDD0/g)];
  const nextOfLength = new Map<number, number>();
  const partner = signs.map(() => -1);
  for (let at = signs.length - 1; at >= 0; at--) {
    const sign = signs[at]?.[0] ?? "";
    if (!sign.startsWith("`")) continue;
    partner[at] = nextOfLength.get(sign.length) ?? -1;
    nextOfLength.set(sign.length, at);
  }
  const places: Place[] = [];
  let spanEnd = -1;
  let lineStart = /^(?:[ \t>*+-]|\d+[.)][ \t])*/.exec(paragraph)?.[0].length ?? 0;
  for (const [at, { 0: sign, index }] of signs.entries()) {
    if (sign.startsWith("\n")) lineStart = index + sign.length;
    else if (sign.startsWith("`") && at > spanEnd) spanEnd = partner[at] ?? -1;
    else if (sign === "\uFDD0")
      places.push(at < spanEnd ? "span" : index === lineStart ? "line start" : "line");
  }
  return places;
}

/**
 * Every line of a value is kept, none of them can begin a block; underscores within words mean nothing
 * anyway.
 */
function escapeMarkdown(value: string, atLineStart: boolean): string {
  return value
    .replaceAll(/[\\`*[\]<>|&~!]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, "\\$&")
    .split(/\r\n?|\n/)
    .map((line, at) => {
      if (at === 0 && !atLineStart) return line;
      return (at === 0 ? line : line.trimStart())
        .replace(/^[#+=-]/, "\\$&")
        .replace(/^(\d{1,9})([.)])(?!\S)/, "$1\\$2");
    })
    .join("\n");
}
