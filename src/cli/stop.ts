import type { Logger } from "pino";
import { messageOf } from "../errors.ts";

/** Within this time a second signal is the same one: npm hands on the Ctrl-C that the terminal has sent to us, too. */
const sameSignalMs = 1_000;

/** A signal that is aborted by SIGTERM, SIGINT or SIGHUP; a later one ends the process at once. */
export function stopSignal(log: Logger): AbortSignal {
  const stop = new AbortController();
  const names = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  let askedAt = 0;
  for (const name of names) {
    process.on(name, () => {
      if (stop.signal.aborted) {
        if (performance.now() - askedAt > sameSignalMs) process.exit(1);
        return;
      }
      askedAt = performance.now();
      log.debug({ signal: name }, "asked to stop");
      stop.abort(new Error(`stopped by ${name}`));
    });
  }
  return stop.signal;
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
