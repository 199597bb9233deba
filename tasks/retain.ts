import type { Task } from "graphile-worker";
import { retain } from "../src/retain/retain.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import { services } from "../src/worker/services.ts";

/** Drops the days that are past. Payload: none that matters (cron). */
const runRetain: Task = async (_payload, { abortSignal }) => {
  const { pool, log } = services();
  await oneAtATime("retain", async () => void (await retain(pool, log, { signal: abortSignal })));
};

export default runRetain;
