import type { Task } from "graphile-worker";
import { retain as dropDays } from "../src/retain/retain.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import type { Services } from "../src/worker/services.ts";

/** Drops the days that are past. Payload: none that matters (cron). */
export default function retain({ pool, log }: Services): Task {
  return (_payload, { abortSignal }) =>
    oneAtATime("retain", async () => void (await dropDays(pool, log, { signal: abortSignal })));
}
