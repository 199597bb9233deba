import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { z } from "zod";
import { codeOf } from "../db/errors.ts";

const stepSchema = z.object({
  action: z.enum(["detached", "dropped", "deleted"]),
  name: z.string(),
  row_count: z.coerce.number(),
  bytes: z.coerce.number().nullable(),
});

/** One step of SQL retain(): `row_count` of a table is what its last analyze says, `bytes` is null for deleted rows. */
export type RetainStep = z.infer<typeof stepSchema>;

const lockNotAvailable = "55P03";
const mostTries = 20;

/**
 * Takes steps of retention until none is left, each a transaction of its own; stops in between when it is to. A table that is
 * busy is tried again twenty times, every half a second (`waitMs`), then left for the next time.
 * @returns what was done. Rejects with what `pg` throws.
 */
export async function retain(
  pool: Pool,
  log: Logger,
  { signal, waitMs = 500 }: { signal?: AbortSignal | undefined; waitMs?: number } = {},
): Promise<RetainStep[]> {
  const steps: RetainStep[] = [];
  for (let busy = 0; !signal?.aborted; ) {
    const start = performance.now();
    try {
      const { rows } = await pool.query("select action, name, row_count, bytes from retain()");
      if (rows.length === 0) break;
      const step = stepSchema.parse(rows[0]);
      steps.push(step);
      busy = 0;
      log.info({ ...step, ms: Math.round(performance.now() - start) }, "retained");
    } catch (error) {
      if (codeOf(error) !== lockNotAvailable) throw error;
      if (++busy === mostTries) {
        log.warn("a table is too busy to take a day out of it, next time");
        break;
      }
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
  return steps;
}
