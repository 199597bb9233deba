import type { RenderedIssue } from "./rendered.ts";

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
/** A visible character made of more code units than this is decoration; cut through it rather than drop it. */
const longestGrapheme = 64;

/** Text every receiver can store: no lone surrogates, no NUL (PostgreSQL refuses it). */
export function cleanText(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\u{FFFD}");
}

/** Length in Unicode code points, which is what `varchar(n)` counts. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/**
 * The longest beginning of `text` with at most `limit` code points that does not end inside a visible
 * character (emoji sequences, letters with combining marks).
 */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  let end = 0;
  let count = 0;
  for (const character of text) {
    if (count++ === limit) break;
    end += character.length;
  }
  if (end >= text.length) return text;
  // Looking at a window keeps this cheap for texts of megabytes.
  const from = Math.max(0, end - 4 * longestGrapheme);
  const start =
    from + (graphemes.segment(text.slice(from, end + longestGrapheme)).containing(end - from)?.index ?? 0);
  return text.slice(0, end - start < longestGrapheme ? start : end);
}

/** A stranger's words, fit to be quoted on one line of a log: at most `limit` characters, none of them control. */
export function quotable(text: string, limit = 200): string {
  const oneLine = cleanText(text).replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ");
  return cutText(oneLine.trim(), limit);
}

/** The component without its trailing `.report`: the name of the rule's module. */
export function moduleOf(component: string): string {
  return component.replace(/\.report$/, "");
}

/** What to call an issue; receivers require some text, so the rule's own name stands in for a missing one. */
export function titleOf(issue: RenderedIssue): string {
  const text = cleanText(issue.description);
  return text.trim() === "" ? cleanText(`${moduleOf(issue.component)}|${issue.error_key}`) : text;
}
