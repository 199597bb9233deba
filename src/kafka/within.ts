import { setTimeout as sleep } from "node:timers/promises";

/** Whether `work` ends within so many milliseconds; what it rejects with does not matter. It goes on. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const inTime = new AbortController();
  const tooLate = sleep(Math.max(ms, 0), false, { signal: inTime.signal }).catch(() => false);
  try {
    return await Promise.race([
      work.then(
        () => true,
        () => true,
      ),
      tooLate,
    ]);
  } finally {
    inTime.abort();
  }
}
