import { quotable } from "../../text/clean.ts";
import { ContentError } from "./error.ts";

/** A rule, or one of its error keys (null: the whole rule), that is left out, with all its problems. */
export type Refused = { rule_name: string; error_key: string | null; problems: string[] };

/** Nobody mends more at once, and a file may hold a hundred thousand. */
export const most = 20;

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

  /**
   * Notes the problems of a ContentError; throws any other error, and one that concerns the whole content.
   */
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
