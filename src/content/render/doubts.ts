import { quotable } from "../../text/clean.ts";

/** What a value was that nobody can read, or `link`: an address that no link may lead to. */
export const doubtKinds = [
  ...(["missing", "null", "object", "list", "function", "not_a_number"] as const),
  "link",
] as const;

/** A value that a text lacks. */
export type Doubt = {
  /** Name of the text. */
  text: string;
  /** What the author wrote between the braces of the tag. */
  place: string;
  kind: (typeof doubtKinds)[number];
  /** The value, as far as there is one. */
  example: string;
};

const tags = /\{\{[=!]([\s\S]+?)\}\}/g;
const comments = /\/\*[\s\S]*?\*\//g;

/** What the sandbox says of a value, which is only as good as the template, for people who look at that. */
export function doubtOf(
  text: string,
  template: string,
  { place, kind, example }: { place: unknown; kind: unknown; example: unknown },
): Doubt {
  // counted as render_realm.js does
  const written = [...template.replaceAll(comments, "").matchAll(tags)][Number(place)]?.[1]?.trim();
  return {
    text,
    place: quotable(written ?? "?", 200),
    kind: doubtKinds.find((known) => known === kind) ?? "missing",
    example: quotable(String(example ?? ""), 200),
  };
}
