import { createInterface } from "node:readline/promises";
import { ConfigurationError, messageOf } from "../errors.ts";

/** Asks on a terminal; without one the answer is no. */
export async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}

/** @throws ConfigurationError, which begins with `otherwise`, unless a person has agreed. */
export async function agreed(yes: boolean | undefined, question: string, otherwise: string): Promise<void> {
  if (yes || (await confirmed(`${question} [y/N] `))) return;
  throw new ConfigurationError(`${otherwise} --yes says that it is meant.`);
}

/**
 * Loads; where that is refused because it would change too much, a terminal is asked, and it is then done
 * nevertheless. `yes`: a person has agreed already.
 */
export async function asking<T>(
  yes: boolean | undefined,
  isTooMuch: (error: unknown) => boolean,
  load: (accepted: boolean) => Promise<T>,
): Promise<T> {
  try {
    return await load(yes === true);
  } catch (error) {
    if (isTooMuch(error) && (await confirmed(`${messageOf(error)}. Go on? [y/N] `))) return load(true);
    throw error;
  }
}
