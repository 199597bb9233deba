import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import type { Logger } from "pino";
import about from "../../package.json" with { type: "json" };
import { messageOf } from "../errors.ts";
import * as sql from "../ops/sql.ts";

const beatMs = 15_000;

/**
 * Says in the table `worker` that this process lives, now and every 15 s, and frees the jobs of those that do
 * not (SQL heartbeat). Trouble with the database is left to others: a beat that is missed is made up for by
 * the next.
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
    const { pid } = process;
    const freed = await sql.heartbeat(pool, { poolId, host: hostname(), pid, roles, version: about.version });
    if (freed.length > 0) log.warn({ freed }, "freed the jobs of workers that fell silent");
  };
  const beating = (async () => {
    while (!stopping.signal.aborted) {
      await beat().catch((error) => log.warn({ error: messageOf(error) }, "no heartbeat"));
      await sleep(beatMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
    }
  })();
  return async () => {
    stopping.abort();
    await beating;
    await sql
      .endHeartbeat(pool, poolId)
      .catch((error) => log.debug({ error: messageOf(error) }, "no farewell"));
  };
}
