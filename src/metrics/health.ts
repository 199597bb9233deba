import { messageOf } from "../errors.ts";

/** What one check found; `detail` is for people. */
export type Check = { check: string; ok: boolean; detail: string };

export type Report = { ok: boolean; checks: Check[] };

/** Completes the sentence, or rejects with why it is not so. */
export type Checks = Readonly<Record<string, () => string | Promise<string>>>;

/**
 * Runs the checks at the same time. One that has no answer after `withinMs` has failed: whoever asks has less
 * patience than a server that hangs.
 */
export async function examine(checks: Checks, withinMs: number): Promise<Report> {
  const found = await Promise.all(
    Object.entries(checks).map(async ([check, run]): Promise<Check> => {
      try {
        return { check, ok: true, detail: await within(withinMs, async () => run()) };
      } catch (error) {
        return { check, ok: false, detail: messageOf(error) };
      }
    }),
  );
  return { ok: found.every(({ ok }) => ok), checks: found };
}

/** What `work` gives; rejects after `ms` milliseconds, and leaves it to end by itself. */
export async function within<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const tooLate = Promise.withResolvers<never>();
  const timer = setTimeout(() => tooLate.reject(new Error(`no answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([work(), tooLate.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** How long without progress is too long, while database and broker answer. */
const stalledSeconds = 300;

/**
 * Whether a consumer stands still for no reason that lies outside of this process. While a server is away it
 * has to wait, and a new process would have to as well.
 * Throws what is wrong.
 */
export function requireProgress(seconds: number | undefined, serversAnswer: boolean): string {
  if (seconds === undefined) return "has not begun yet";
  const ago = `last progress ${Math.round(seconds)} s ago`;
  if (seconds <= stalledSeconds) return ago;
  if (!serversAnswer) return `${ago}, while the database or the brokers do not answer`;
  throw new Error(`${ago}, though the database and the brokers answer`);
}
