import { quotable } from "../../text/clean.ts";
import { ContentError } from "./error.ts";
import type { RuleContent } from "./rule_content.ts";

/** A rule, or one of its error keys (null: the whole rule), that is left out, with all its problems. */
export type Refused = { rule_name: string; error_key: string | null; problems: string[] };

/** What a folder or an answer holds: what conforms, and what does not. Both sorted by rule and error key. */
export type SourceContent = { content: RuleContent[]; refused: Refused[] };

/** Nobody mends more at once, and a file may hold a hundred thousand. */
const most = 20;

/** What is wrong with one rule or error key, put together so that it is said all at once. */
export class Problems {
  readonly #found: string[] = [];

  get none(): boolean {
    return this.#found.length === 0;
  }

  add(path: string, problem: string): void {
    this.#found.push(...new ContentError(path, problem).problems);
  }

  /** What `read` returns; undefined, and its problems noted, when it throws a ContentError. */
  try<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.note(error);
      return undefined;
    }
  }

  /** Notes the problems of a ContentError; throws any other error, and one that concerns the whole content. */
  note(error: unknown): void {
    if (!(error instanceof ContentError) || error.ofTheWhole) throw error;
    this.#found.push(...error.problems);
  }

  /** Names are cleaned: they may be what is wrong. */
  refusing(rule: string, errorKey: string | null = null): Refused {
    const distinct = [...new Set(this.#found)];
    const problems = distinct.slice(0, most).map((problem) => quotable(problem, 500));
    if (distinct.length > most) problems.push(`and ${distinct.length - most} more`);
    return { rule_name: named(rule), error_key: errorKey === null ? null : named(errorKey), problems };
  }
}

/** Names are stored, so that what PostgreSQL cannot store must not be in them. */
function named(name: string): string {
  return quotable(name, 255) || "(no name)";
}

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
