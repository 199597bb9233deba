import { setTimeout as sleep } from "node:timers/promises";

/**
 * Sends heartbeats while the work runs, so that the broker keeps the member in the group. What a heartbeat
 * rejects with (a rebalance) is thrown at once, as kafkajs wants it; the work goes on.
 */
export async function keepAlive<T>(
  heartbeat: () => Promise<void>,
  everyMs: number,
  work: T | Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const beat = async () => {
    while (!done.signal.aborted) {
      await sleep(everyMs, undefined, { signal: done.signal });
      await heartbeat();
    }
    return work;
  };
  try {
    return await Promise.race([
      work,
      beat().catch((error) => (done.signal.aborted ? work : Promise.reject(error))),
    ]);
  } finally {
    done.abort();
  }
}
