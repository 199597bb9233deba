import type { Task } from "graphile-worker";
import { retryDue } from "../src/ingest/retry.ts";
import * as sql from "../src/ops/sql.ts";
import type { Services } from "../src/worker/services.ts";

/**
 * Picks up what a lost wake-up left behind (SQL sweep), and tries rejected messages again whose time has
 * come. Payload: none that matters (cron).
 */
export default function sweep({ pool, log }: Services): Task {
  return async () => {
    const { cooldowns_ended, woken } = await sql.sweep(pool);
    if (woken.length > 0) log.info({ cooldownsEnded: cooldowns_ended, woken }, "swept");
    const retried = await retryDue(pool);
    if (retried) log.info(retried, "rejected messages tried again");
  };
}
