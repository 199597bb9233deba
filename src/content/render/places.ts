import { fenceAfter } from "../../text/fences.ts";

/** The markup of a receiver (escape.ts). */
export type Format = "html" | "markdown";

/** Stands for a value in the author's text. */
export const valueSign = "\uFDD0";

/**
 * Where a value stands. `text`: running text; `lone` behind a backtick without its like, which a backtick of
 * the value could close. `span`, `block`: code, which shows backslashes; `indent` begins each further line.
 * `html`: text that HTML may read without Markdown, and titles of links. `attribute`: a harmless one. `url`:
 * the destination of a link; `before` is the author's part of it, `tag` says that a tag holds it. `nowhere`:
 * no escaping helps.
 */
export type Place =
  | { in: "text"; before: string; after: string; oneLine: boolean; lone: boolean }
  | { in: "span"; inTable: boolean }
  | { in: "block"; indent: string }
  | { in: "html" | "attribute" | "nowhere" }
  | { in: "url"; before: string; tag: boolean };

const html: Place = { in: "html" };
const attribute: Place = { in: "attribute" };
const nowhere: Place = { in: "nowhere" };

/** Names of tags that begin a block of HTML in the midst of Markdown. */
const blockTag =
  /^<(?:[!?\uFDD0]|\/?(?:address|article|aside|base(?:font)?|blockquote|body|caption|center|col(?:group)?|dd|details|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame(?:set)?|h[1-6r]|head(?:er)?|html|iframe|legend|li|link|main|menu(?:item)?|nav|noframes|ol|optgroup|option|p|param|pre|script|search|section|style|summary|table|tbody|td|textarea|tfoot|th(?:ead)?|title|tr(?:ack)?|ul)(?![\w-]))/i;
/** Blocks of HTML that a blank line does not end, and what does. */
const longBlocks: [begin: RegExp, end: RegExp][] = [
  [/^<(?:pre|script|style|textarea)(?![\w-])/i, /<\/(?:pre|script|style|textarea)>/i],
  [/^<!--/, /-->/],
  [/^<\?/, /\?>/],
  [/^<!\[CDATA\[/, /\]\]>/],
];
const marker = /^[ \t]*(?:[-*+]|\d{1,9}[.)])(?=[ \t]|$)/;
const tableRule = /^[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)*$/;
const urlAttributes =
  /^(?:action|background|cite|data|formaction|href|longdesc|manifest|ping|poster|src|usemap|xlink:href)$/;
const codeAttributes = /^(?:on.*|style|srcdoc|srcset|http-equiv|content)$/;
/** What looking for the ends of things that have none may cost, in characters; linear therefore. */
const searchBudget = 500_000;

/** The places of all values, in order. Takes time linear in the length, whatever the text. */
export function findPlaces(text: string, format: Format): Place[] {
  if (!text.includes(valueSign)) return [];
  const places: Place[] = [];
  if (format === "html") new Inline(text, 0, places, false, format).walk();
  else findInMarkdown(text, places);
  return places;
}

type Line = { quotes: number; rest: string; indent: number };

/** Without the marks of quotations, and how far what is left is indented. */
function unquoted(line: string): Line {
  const quotes = /^(?: {0,3}> ?)*/.exec(line)?.[0] ?? "";
  const rest = line.slice(quotes.length);
  const space = /^[ \t]*/.exec(rest)?.[0] ?? "";
  return {
    quotes: quotes.replaceAll(/[^>]/g, "").length,
    rest,
    indent: space.replaceAll("\t", "    ").length,
  };
}

/** Blocks first: paragraphs go to `Inline`, code is settled here. */
function findInMarkdown(text: string, places: Place[]): void {
  let fence: { sign: string; quotes: number; list: number } | undefined;
  let longBlock: RegExp | undefined;
  // how far the lists that are open are indented, the innermost last
  let lists: number[] = [];
  let paragraph: string[] = [];
  let htmlFrom = Infinity;
  let length = 0;
  const flush = () => {
    if (paragraph.length > 0) {
      const inTable = paragraph.some((line) => line.includes("|") && tableRule.test(line));
      new Inline(paragraph.join("\n"), htmlFrom, places, inTable, "markdown").walk();
    }
    paragraph = [];
    htmlFrom = Infinity;
    length = 0;
  };
  const push = (line: string, asHtml: boolean) => {
    if (asHtml) htmlFrom = Math.min(htmlFrom, length);
    paragraph.push(line);
    length += line.length + 1;
  };
  const all = (line: string, place: Place) => {
    for (const _ of line.matchAll(/\uFDD0/g)) places.push(place);
  };
  for (const line of text.split("\n")) {
    const { quotes, rest, indent } = unquoted(line);
    const blank = rest.trim() === "";
    if (longBlock) {
      push(line, true);
      if (longBlock.test(line)) {
        longBlock = undefined;
        flush();
      }
      continue;
    }
    // what encloses a fence ends it, too
    if (fence && (quotes < fence.quotes || (!blank && indent < fence.list))) fence = undefined;
    if (fence) {
      const sign = fenceAfter(line, fence.sign);
      if (sign === undefined) fence = undefined;
      all(line, { in: "block", indent: containersOf(line) });
      continue;
    }
    if (blank) {
      flush();
      continue;
    }
    if (paragraph.length === 0) lists = lists.filter((list) => list <= indent);
    const list = lists.at(-1) ?? 0;
    if (paragraph.length === 0 && indent >= list + 4 && (!marker.test(rest) || lists.length === 0)) {
      all(line, { in: "block", indent: line.slice(0, line.length - rest.trimStart().length) });
      continue;
    }
    let content = rest;
    let at = 0;
    for (let found = marker.exec(content); found; found = marker.exec(content)) {
      const spaces = /^[ \t]*/.exec(content.slice(found[0].length))?.[0].length ?? 0;
      at += found[0].length + (spaces > 4 ? 1 : Math.max(1, spaces));
      if (found.index === 0 && content === rest) lists = lists.filter((other) => other <= indent);
      lists.push(at);
      content = content.slice(found[0].length + spaces);
    }
    content = content.trimStart();
    if (content !== rest.trimStart()) flush();
    const sign = fenceAfter(line, undefined);
    if (sign !== undefined) {
      flush();
      fence = { sign, quotes, list: lists.at(-1) ?? 0 };
      all(line, html);
      continue;
    }
    const begins = longBlocks.find(([begin]) => begin.test(content));
    const asHtml =
      begins !== undefined ||
      blockTag.test(content) ||
      (paragraph.length === 0 && content.startsWith("<") && content.trimEnd().endsWith(">"));
    if (begins || /^#{1,6}(?:[ \t]|$)/.test(content)) flush();
    push(line, asHtml);
    if (begins && !begins[1].test(content)) longBlock = begins[1];
    else if (/^#{1,6}(?:[ \t]|$)/.test(content)) flush();
  }
  flush();
}

/** What has to stand before a further line for it to stay in the same quotations and lists. */
function containersOf(line: string): string {
  const before = /^(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*/.exec(line)?.[0] ?? "";
  return before.replaceAll(/[^>\t]/g, " ");
}

/** What lies within one paragraph of Markdown, or within a whole text of HTML. */
class Inline {
  readonly #text: string;
  readonly #htmlFrom: number;
  readonly #places: Place[];
  readonly #inTable: boolean;
  readonly #format: Format;
  readonly #runs = new Map<number, number[]>();
  readonly #unclosed = new Set<string>();
  #budget = searchBudget;
  #lone = false;

  constructor(text: string, htmlFrom: number, places: Place[], inTable: boolean, format: Format) {
    this.#text = text;
    this.#htmlFrom = htmlFrom;
    this.#places = places;
    this.#inTable = inTable;
    this.#format = format;
  }

  walk(): void {
    const text = this.#text;
    if (!text.includes(valueSign)) return;
    const markdown = this.#format === "markdown";
    if (markdown)
      for (const { 0: run, index } of text.matchAll(/`+/g)) {
        const starts = this.#runs.get(run.length);
        if (starts) starts.push(index);
        else this.#runs.set(run.length, [index]);
      }
    for (const starts of this.#runs.values()) starts.reverse();
    let lineStart = 0;
    let at = 0;
    const definition = /(?:[ \t>*+-]|\d+[.)][ \t])*\[[^\][\n]*\]:/y;
    const define = () => {
      definition.lastIndex = at;
      if (definition.test(text)) at = this.#link(definition.lastIndex);
    };
    define();
    while (at < text.length) {
      const sign = text[at] ?? "";
      if (sign === "\n") {
        lineStart = ++at;
        define();
      } else if (sign === "\\" && markdown && at < this.#htmlFrom) {
        at += /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? 2 : 1;
      } else if (sign === "`" && markdown && at < this.#htmlFrom) at = this.#span(at);
      else if (sign === "<") at = this.#angle(at);
      else if (sign === "]" && text[at + 1] === "(") at = this.#link(at + 2);
      else if (sign === valueSign) {
        if (markdown && at >= this.#htmlFrom) this.#places.push(html);
        else {
          const before = text.slice(Math.max(lineStart, at - 100), at);
          const oneLine = this.#inTable || /^(?:[ \t>*+-]|\d{1,9}[.)][ \t]){0,50}#/.test(before);
          this.#places.push({ in: "text", before, after: text[at + 1] ?? "", oneLine, lone: this.#lone });
        }
        at++;
      } else at++;
    }
  }

  #values(from: number, to: number, place: Place): void {
    for (let at = from; at < to; at++) if (this.#text[at] === valueSign) this.#places.push(place);
  }

  /** A code span is what stands between two runs of backticks of the same length. */
  #span(at: number): number {
    let start = at;
    while (this.#text[start] === "`") start++;
    const starts = this.#runs.get(start - at) ?? [];
    while (starts.length > 0 && (starts.at(-1) ?? 0) < start) starts.pop();
    const end = starts.at(-1);
    if (end === undefined) {
      this.#lone = true;
      return start;
    }
    this.#values(start, end, { in: "span", inTable: this.#inTable });
    return end + start - at;
  }

  /** Where `sign` stands next, or -1; looks for what is not there only once. */
  #next(sign: string, from: number): number {
    if (this.#unclosed.has(sign)) return -1;
    const at = this.#text.indexOf(sign, from);
    if (at < 0) this.#unclosed.add(sign);
    return at;
  }

  #angle(at: number): number {
    const text = this.#text;
    if (text.startsWith("<!--", at)) {
      const end = this.#next("-->", at + 4);
      if (end < 0 && this.#format === "markdown" && at < this.#htmlFrom) return at + 1;
      const close = end < 0 ? text.length : end + 3;
      this.#values(at, close, nowhere);
      return close;
    }
    if (/[!?]/.test(text[at + 1] ?? "")) {
      const close = this.#next(">", at);
      if (close < 0) return at + 1;
      this.#values(at, close, nowhere);
      return close;
    }
    if (this.#format === "markdown") {
      const autolink = /<(?:[A-Za-z][A-Za-z0-9+.-]{1,31}:|[\w.+-]+@)[^\s<>]*>/y;
      autolink.lastIndex = at;
      const found = autolink.exec(text)?.[0];
      if (found !== undefined) {
        this.#url(at + 1, at + found.length - 1);
        return at + found.length;
      }
    }
    const slash = text[at + 1] === "/" ? 1 : 0;
    if (text[at + 1 + slash] === valueSign) {
      // the name of a tag, if anybody reads it so
      this.#places.push(nowhere);
      return at + 2 + slash;
    }
    if (!/[A-Za-z]/.test(text[at + 1 + slash] ?? "")) return at + 1;
    return this.#tag(at, at + 1 + slash);
  }

  /** A tag; without an end it is text, unless we have looked for too many ends. */
  #tag(begin: number, from: number): number {
    const text = this.#text;
    const found: Place[] = [];
    const give = (end: number) => {
      for (const place of found) this.#places.push(place);
      return end;
    };
    const fail = (at: number) => {
      this.#budget -= at - begin;
      return this.#budget < 0 ? give(at) : begin + 1;
    };
    const collect = (until: RegExp, at: number, place: (before: string) => Place) => {
      let end = at;
      while (end < text.length && !until.test(text[end] ?? "")) {
        if (text[end] === valueSign) found.push(place(text.slice(at, Math.min(end, at + 1_000))));
        end++;
      }
      return end;
    };
    let at = collect(/[\s/>]/, from, () => nowhere);
    const name = text.slice(from, at).toLowerCase();
    for (;;) {
      while (/[\s/]/.test(text[at] ?? "")) at++;
      if (at >= text.length || text[at] === "<") return fail(at);
      if (text[at] === ">") break;
      const start = at;
      at = collect(/[\s/>=<]/, at, () => nowhere);
      const attributeName = text.slice(start, at).toLowerCase();
      let equals = at;
      while (/\s/.test(text[equals] ?? "")) equals++;
      if (text[equals] !== "=") {
        if (at === start) at++;
        continue;
      }
      at = equals + 1;
      while (/\s/.test(text[at] ?? "")) at++;
      const place = (before: string): Place => {
        if (codeAttributes.test(attributeName) || attributeName.includes(valueSign)) return nowhere;
        return urlAttributes.test(attributeName)
          ? { in: "url", before: before.trim(), tag: true }
          : attribute;
      };
      const quote = text[at];
      if (quote === '"' || quote === "'") {
        at = collect(quote === '"' ? /"/ : /'/, at + 1, place);
        if (at >= text.length) return fail(at);
        at++;
      } else at = collect(/[\s>]/, at, place);
    }
    give(at);
    at++;
    if (name !== "script" && name !== "style") return at;
    // what is in there is read as another language
    const close = this.#next(`</${name}`, at);
    const end = close < 0 ? text.length : close;
    this.#values(at, end, nowhere);
    return end;
  }

  #url(from: number, to: number): void {
    for (let at = from; at < to; at++)
      if (this.#text[at] === valueSign)
        this.#places.push({
          in: "url",
          before: this.#text.slice(from, Math.min(at, from + 1_000)).trim(),
          tag: false,
        });
  }

  /** Destination and title of a link, from behind its `](` or `]:`. Answers where the walk goes on. */
  #link(from: number): number {
    const text = this.#text;
    const space = /[ \t]*\n?[ \t]*/y;
    const skip = (at: number) => {
      space.lastIndex = at;
      return space.test(text) ? space.lastIndex : at;
    };
    let at = skip(from);
    const start = at;
    if (text[at] === "<") {
      while (at < text.length && text[at] !== ">" && text[at] !== "\n") at += text[at] === "\\" ? 2 : 1;
      this.#url(start + 1, at);
      if (text[at] === ">") at++;
    } else {
      let depth = 0;
      for (; at < text.length && !/\s/.test(text[at] ?? ""); at++) {
        if (text[at] === "\\" && text[at + 1] !== valueSign) at++;
        else if (text[at] === "(") depth++;
        else if (text[at] === ")" && depth-- === 0) break;
      }
      at = Math.min(at, text.length);
      this.#url(start, at);
    }
    const title = skip(at);
    if (title === at) return at;
    if (text[title] === valueSign) {
      this.#places.push(html);
      return title + 1;
    }
    const close = { '"': '"', "'": "'", "(": ")" }[text[title] ?? ""];
    if (close === undefined || this.#unclosed.has(`title ${close}`)) return at;
    let end = title + 1;
    while (end < text.length && text[end] !== close)
      end += text[end] === "\\" && text[end + 1] !== valueSign ? 2 : 1;
    if (end >= text.length) {
      this.#unclosed.add(`title ${close}`);
      return at;
    }
    this.#values(title, end, html);
    return end + 1;
  }
}
