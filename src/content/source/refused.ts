import { most, type Refused } from "./problems.ts";
import type { RuleContent } from "./rule_content.ts";

/** What a folder or an answer holds: what conforms, and what does not. Both sorted by rule and error key. */
export type SourceContent = { content: RuleContent[]; refused: Refused[] };

/**
 * Sorted, without the content of what is refused: a rule that is refused as a whole keeps all its old
 * versions. Problems that several places have with the same rule or error key are one entry.
 */
export function withoutRefused({ content, refused }: SourceContent): SourceContent {
  const byName = new Map<string, Refused>();
  for (const one of refused) {
    const name = nameOf(one.rule_name, one.error_key);
    const known = byName.get(name);
    if (known) known.problems.push(...one.problems.filter((problem) => !known.problems.includes(problem)));
    else byName.set(name, one);
  }
  return {
    content: content.filter(
      ({ rule_name, error_key }) =>
        !byName.has(nameOf(rule_name, null)) && !byName.has(nameOf(rule_name, error_key)),
    ),
    refused: [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one),
  };
}

/** A name that sorts the rule before its error keys. */
function nameOf(rule: string, errorKey: string | null): string {
  return `${rule}|${errorKey ?? ""}`;
}

/** Each of these with all its problems, on one line; the last line counts what is not named. */
export function refusedInWords(refused: readonly Refused[], atMost = most): string[] {
  const lines = refused.slice(0, atMost).map(({ rule_name, error_key, problems }) => {
    return `${rule_name}${error_key === null ? "" : `|${error_key}`} is left out: ${problems.join("; ")}`;
  });
  const more = refused.length - lines.length;
  return more > 0 ? [...lines, `${more} more are left out: see the view refused_content`] : lines;
}
