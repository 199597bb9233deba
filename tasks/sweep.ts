import type { Task } from "graphile-worker";
import { sweep } from "../src/ops/sweep.ts";
import { services } from "../src/worker/services.ts";

/** Picks up what a lost wake-up left behind. Payload: none that matters (cron). */
const runSweep: Task = async () => {
  const { pool, log } = services();
  await sweep(pool, log);
};

export default runSweep;
