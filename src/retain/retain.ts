import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { codeOf } from "../db/errors.ts";
import * as sql from "./sql.ts";

/** lock_not_available, deadlock_detected */
const busyCodes = new Set<unknown>(["55P03", "40P01"]);
const mostTries = 20;

/**
 * Takes steps of retention until none is left, each a transaction of its own; stops in between when it is to.
 * A table that is busy is tried again twenty times, every half a second (`waitMs`), then left for the next
 * time.
 * @returns what was done. Rejects with what `pg` throws.
 */
export async function retain(
  pool: Pool,
  log: Logger,
  { signal, waitMs = 500 }: { signal?: AbortSignal | undefined; waitMs?: number } = {},
): Promise<sql.RetainStep[]> {
  const steps: sql.RetainStep[] = [];
  for (let busy = 0; !signal?.aborted; ) {
    const start = performance.now();
    try {
      const step = await sql.retain(pool);
      if (!step) break;
      steps.push(step);
      busy = 0;
      log.info({ ...step, ms: Math.round(performance.now() - start) }, "retained");
    } catch (error) {
      if (!busyCodes.has(codeOf(error))) throw error;
      if (++busy === mostTries) {
        log.warn("a table is too busy to take a day out of it, next time");
        break;
      }
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
  return steps;
}
