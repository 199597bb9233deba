import type { Pool } from "pg";
import type { Logger } from "pino";
import { z } from "zod";

const decided = z.object({
  clusters: z.number(),
  notifications: z.number(),
  told: z.number(),
  held: z.number(),
});

const batchSize = 1_000;

/** Decides until no cluster waits any more (SQL decide_due); every batch is a transaction of its own. */
export async function decideWaiting(pool: Pool, log: Logger, signal?: AbortSignal): Promise<void> {
  while (!signal?.aborted) {
    const start = performance.now();
    const { rows } = await pool.query({
      name: "decide_due",
      text: "select clusters, notifications, told, held from decide_due($1)",
      values: [batchSize],
    });
    const batch = decided.parse(rows[0]);
    if (batch.clusters === 0) return;
    log.info({ ...batch, ms: Math.round(performance.now() - start) }, "decided");
  }
}
