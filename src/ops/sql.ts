import { z } from "zod";
import { call, type Db, rowOf } from "../db/rows.ts";

/** A worker process, as graphile-worker and the table `worker` name it. */
export type Worker = {
  /** what graphile-worker calls its pool in this process */
  poolId: string;
  host: string;
  pid: number;
  roles: readonly string[];
  version: string;
};

const beaten = z.object({ freed: z.array(z.string()) });

/**
 * Says that a worker lives. Returns the pools whose jobs that freed, since they have been silent for too
 * long.
 */
export async function heartbeat(db: Db, { poolId, host, pid, roles, version }: Worker): Promise<string[]> {
  const values = [poolId, host, pid, roles, version];
  return (await rowOf(db, beaten, "select ccx.heartbeat($1, $2, $3, $4, $5) as freed", values)).freed;
}

/** Says that a worker ends: it is taken out of the table `worker`. */
export const endHeartbeat = (db: Db, poolId: string): Promise<void> =>
  call(db, "select ccx.end_heartbeat($1)", [poolId]);

const swept = z.object({ cooldowns_ended: z.number(), woken: z.array(z.string()) });

/**
 * Picks up what a lost wake-up left behind. Returns how many cooldowns had ended, and the tasks that it woke.
 */
export const sweep = (db: Db): Promise<z.infer<typeof swept>> =>
  rowOf(db, swept, "select cooldowns_ended, woken from ccx.sweep()");
