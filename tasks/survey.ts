import type { Task } from "graphile-worker";
import * as sql from "../src/survey/sql.ts";
import { takeParts } from "../src/survey/take_parts.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import type { Services } from "../src/worker/services.ts";

/** Answers questions about the whole fleet, part by part. Payload: none that matters (cron). */
export default function survey({ pool, deciders }: Services): Task {
  return (_payload, { abortSignal }) =>
    oneAtATime("survey", async () => {
      await sql.tendSurveys(pool);
      await takeParts(pool, { atOnce: deciders, signal: abortSignal });
    });
}
