import type { Pool } from "pg";
import type { Logger } from "pino";
import { z } from "zod";

const swept = z.object({ cooldowns_ended: z.number(), woken: z.array(z.string()) });

/** One round of SQL sweep(). */
export async function sweep(pool: Pool, log: Logger): Promise<void> {
  const { rows } = await pool.query("select cooldowns_ended, woken from sweep()");
  const { cooldowns_ended, woken } = swept.parse(rows[0]);
  if (woken.length > 0) log.info({ cooldownsEnded: cooldowns_ended, woken }, "swept");
}
