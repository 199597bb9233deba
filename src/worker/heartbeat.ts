import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import type { Logger } from "pino";
import about from "../../package.json" with { type: "json" };
import { messageOf } from "../errors.ts";
import * as sql from "../ops/sql.ts";

const beatMs = 15_000;
const awayMs = 500;

export type Heartbeat = {
  /** Says that the database seems to be away: beats at once and until it answers, then looks for work. */
  lost(): void;
  /** Ends it, and takes the process out of the table. */
  stop(): Promise<void>;
};

/**
 * Says in the table `worker` that this process lives, now and every 15 s, and frees the jobs of those that do
 * not (SQL heartbeat). A beat that is missed is made up for by the next. After an outage it looks for work
 * (SQL sweep) as soon as the database is back: the jobs that were to wake the tasks may be gone, or dead.
 */
export function startHeartbeat(options: {
  pool: Pool;
  log: Logger;
  /** what graphile-worker calls its pool in this process */
  poolId: string;
  roles: readonly string[];
}): Heartbeat {
  const { pool, log, poolId, roles } = options;
  const stopping = new AbortController();
  const beat = async () => {
    const { pid } = process;
    const freed = await sql.heartbeat(pool, { poolId, host: hostname(), pid, roles, version: about.version });
    if (freed.length > 0) log.warn({ freed }, "freed the jobs of workers that fell silent");
  };
  let isAway = false;
  let wasSaid = false;
  let hurry = new AbortController();
  const beatOrWait = async () => {
    try {
      await beat();
      if (!isAway) return;
      const { woken } = await sql.sweep(pool);
      log.info({ woken }, "looked for work, the database is back");
      isAway = wasSaid = false;
    } catch (error) {
      if (!wasSaid) log.warn({ error: messageOf(error) }, "no heartbeat");
      isAway = wasSaid = true;
    }
  };
  const beating = (async () => {
    while (!stopping.signal.aborted) {
      hurry = new AbortController();
      await beatOrWait();
      const signal = AbortSignal.any([stopping.signal, ...(isAway ? [] : [hurry.signal])]);
      await sleep(isAway ? awayMs : beatMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  })();
  return {
    lost() {
      isAway = true;
      hurry.abort();
    },
    async stop() {
      stopping.abort();
      await beating;
      await sql
        .endHeartbeat(pool, poolId)
        .catch((error) => log.debug({ error: messageOf(error) }, "no farewell"));
    },
  };
}
