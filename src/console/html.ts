/**
 * Own code: the template helpers that are kept return plain strings, so nested markup has to be marked as "do
 * not escape", one character away from an injection. Here only what `html` made itself goes in as it is, and
 * everything else is escaped, whatever a caller does.
 */
export class Html {
  readonly markup: string;
  constructor(markup: string) {
    this.markup = markup;
  }
}

export type Part = Html | string | number | boolean | null | undefined | readonly Part[];

const entities: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  "`": "&#96;",
};

/** Markup with its values escaped; null, undefined and false are nothing. */
export function html(texts: TemplateStringsArray, ...values: readonly Part[]): Html {
  let markup = texts[0] ?? "";
  for (const [nth, value] of values.entries()) markup += markupOf(value) + (texts[nth + 1] ?? "");
  return new Html(markup);
}

function markupOf(value: Part): string {
  if (value instanceof Html) return value.markup;
  if (value === null || value === undefined || value === false || value === true) return "";
  if (typeof value === "object") return value.map(markupOf).join("");
  return escaped(String(value));
}

/**
 * A stranger's text as markup. What changes the order in which people read, or is not seen at all, is written
 * out: a name must not look like another one.
 */
export function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[&<>"'`]/g, (character) => entities[character] ?? "")
    .replaceAll(/(?![\n\t\r])\p{Cc}/gu, "\u{FFFD}")
    .replaceAll(
      /[\u061C\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]/g,
      (character) => `[U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`,
    );
}
