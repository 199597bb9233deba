import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";

/**
 * Polls until `condition` gives something truthy, and returns that. Rejects after `timeoutMs` with what it
 * gave last; `what` completes the sentence "not within … ms: …".
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 60_000,
): Promise<T> {
  for (const limit = performance.now() + timeoutMs; ; await sleep(50)) {
    const result = await condition();
    if (result) return result;
    if (performance.now() > limit)
      throw new Error(`not within ${timeoutMs} ms: ${what} (last: ${inspect(result)})`);
  }
}
