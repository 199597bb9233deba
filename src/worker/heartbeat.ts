import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { z } from "zod";
import about from "../../package.json" with { type: "json" };
import { messageOf } from "../errors.ts";

const beatMs = 15_000;

const beaten = z.object({ freed: z.array(z.string()) });

/**
 * Says in the table `worker` that this process lives, now and every 15 s, and frees the jobs of those that do not (SQL
 * heartbeat). Trouble with the database is left to others: a beat that is missed is made up for by the next.
 * @returns what ends it, and takes the process out of the table
 */
export function startHeartbeat(options: {
  pool: Pool;
  log: Logger;
  /** what graphile-worker calls its pool in this process */
  poolId: string;
  roles: readonly string[];
}): () => Promise<void> {
  const { pool, log, poolId, roles } = options;
  const stopping = new AbortController();
  const beat = async () => {
    const { rows } = await pool.query("select ccx.heartbeat($1, $2, $3, $4, $5) as freed", [
      poolId,
      hostname(),
      process.pid,
      roles,
      about.version,
    ]);
    const { freed } = beaten.parse(rows[0]);
    if (freed.length > 0) log.warn({ freed }, "freed the jobs of workers that fell silent");
  };
  const beating = (async () => {
    while (!stopping.signal.aborted) {
      await beat().catch((error) => log.debug({ error: messageOf(error) }, "no heartbeat"));
      await sleep(beatMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
    }
  })();
  return async () => {
    stopping.abort();
    await beating;
    const gone = pool.query("delete from worker where pool_id = $1", [poolId]);
    await gone.catch((error) => log.debug({ error: messageOf(error) }, "no farewell"));
  };
}
