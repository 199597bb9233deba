import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";

/** The longest pause between two looks; the first ones are shorter. */
const pauseMs = 50;

/**
 * Polls until `condition` gives something truthy, and returns that. Rejects after `timeoutMs` with what it
 * gave last; `what` completes the sentence "not within … ms: …".
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 60_000,
): Promise<T> {
  const limit = performance.now() + timeoutMs;
  for (let pause = 2; ; pause = Math.min(2 * pause, pauseMs)) {
    const result = await condition();
    if (result) return result;
    if (performance.now() > limit)
      throw new Error(`not within ${timeoutMs} ms: ${what} (last: ${inspect(result)})`);
    await sleep(pause);
  }
}
