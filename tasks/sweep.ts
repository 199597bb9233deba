import type { Task } from "graphile-worker";
import { z } from "zod";
import type { Services } from "../src/worker/services.ts";

const swept = z.object({ cooldowns_ended: z.number(), woken: z.array(z.string()) });

/** Picks up what a lost wake-up left behind (SQL sweep). Payload: none that matters (cron). */
export default function sweep({ pool, log }: Services): Task {
  return async () => {
    const { rows } = await pool.query("select cooldowns_ended, woken from ccx.sweep()");
    const { cooldowns_ended, woken } = swept.parse(rows[0]);
    if (woken.length > 0) log.info({ cooldownsEnded: cooldowns_ended, woken }, "swept");
  };
}
