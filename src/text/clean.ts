import { cutText } from "./cut.ts";

/**
 * Text every receiver can store: no lone surrogates, no NUL (PostgreSQL refuses it). Nothing in it makes
 * readers see it in another order than machines, or not at all.
 */
export function cleanText(text: string): string {
  return withoutInvisible(text.toWellFormed().replaceAll("\0", "\u{FFFD}"));
}

/** With line feeds only, whatever system or editor wrote it: our rules for Markdown look for nothing else. */
export function withLineFeeds(text: string): string {
  return text.replaceAll(/\r\n?/g, "\n");
}

/**
 * Without controls of the direction of writing and characters of no width. Joiners stay where scripts and
 * emoji need them: between two characters outside of ASCII.
 */
export function withoutInvisible(text: string): string {
  if (/^[\p{ASCII}\u00A0-\u0600]*$/u.test(text)) return text;
  return text
    .replaceAll(
      /[\u061C\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0001}]/gu,
      "",
    )
    .replaceAll(/(?<![^\p{ASCII}\u200C\u200D])[\u200C\u200D]+|[\u200C\u200D]+(?!\P{ASCII})/gu, "");
}

/**
 * A stranger's words, fit to be quoted on one line of a log: at most `limit` characters, none of them
 * control.
 */
export function quotable(text: string, limit = 200): string {
  const oneLine = text.replaceAll("\0", "\u{FFFD}").replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ");
  return cutText(cleanText(oneLine).trim(), limit);
}
