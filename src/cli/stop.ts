import type { Logger } from "pino";
import { messageOf } from "../errors.ts";

/**
 * Within this time a second signal is the same one: npm hands on the Ctrl-C that the terminal has sent to us,
 * too.
 */
const sameSignalMs = 1_000;

/** A signal that is aborted by SIGTERM, SIGINT or SIGHUP; a later one ends the process at once. */
export function stopSignal(log: Logger): AbortSignal {
  return heard((name) => log.debug({ signal: name }, "asked to stop")).signal;
}

/** Calls `work` with such a signal; afterwards the signals do what they did before. */
export async function stoppable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, deaf } = heard(() => undefined);
  try {
    return await work(signal);
  } finally {
    deaf();
  }
}

function heard(note: (name: NodeJS.Signals) => void): { signal: AbortSignal; deaf: () => void } {
  const stop = new AbortController();
  const names = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  let askedAt = 0;
  const ask = (name: NodeJS.Signals) => {
    if (stop.signal.aborted) {
      if (performance.now() - askedAt > sameSignalMs) process.exit(1);
      return;
    }
    askedAt = performance.now();
    note(name);
    stop.abort(new Error(`stopped by ${name}`));
  };
  for (const name of names) process.on(name, ask);
  const deaf = () => {
    for (const name of names) process.off(name, ask);
  };
  return { signal: stop.signal, deaf };
}

/** True for what a stop in the middle of starting throws. */
export function isStop(error: unknown, signal: AbortSignal): boolean {
  return (
    signal.aborted &&
    (error === signal.reason || messageOf(error) === messageOf(signal.reason) || isAbort(error))
  );
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
