import type { Task } from "graphile-worker";
import { oneAtATime } from "../src/ops/one_at_a_time.ts";
import { services } from "../src/ops/services.ts";
import { retain } from "../src/retain/retain.ts";

/** Drops the days that are past. Payload: none that matters (cron). */
const runRetain: Task = async (_payload, { abortSignal }) => {
  const { pool, log } = services();
  await oneAtATime("retain", async () => void (await retain(pool, log, { signal: abortSignal })));
};

export default runRetain;
