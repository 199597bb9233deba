import type { Task } from "graphile-worker";
import { decideDue } from "../src/decide/decide_due.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import type { Services } from "../src/worker/services.ts";

/** Decides for every cluster that waits. Payload: none. */
export default function decide({ pool, log, deciders }: Services): Task {
  return (_payload, { abortSignal }) =>
    oneAtATime("decide", () => decideDue(pool, log, { deciders, signal: abortSignal }));
}
