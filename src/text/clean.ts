import { cutText } from "./cut.ts";

/** Text every receiver can store: no lone surrogates, no NUL (PostgreSQL refuses it). */
export function cleanText(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\u{FFFD}");
}

/**
 * A stranger's words, fit to be quoted on one line of a log: at most `limit` characters, none of them
 * control.
 */
export function quotable(text: string, limit = 200): string {
  const oneLine = cleanText(text).replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ");
  return cutText(oneLine.trim(), limit);
}
