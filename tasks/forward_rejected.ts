import type { Task } from "graphile-worker";
import { forwardRejected as forward } from "../src/ingest/dead_letters.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import type { ServicesWith } from "../src/worker/services.ts";

/** Writes rejected messages to the dead-letter topic. Payload: none. */
export default function forwardRejected({ deadLetters, pool, log }: ServicesWith<"deadLetters">): Task {
  return (_payload, { abortSignal }) =>
    oneAtATime("forward_rejected", () => forward(pool, deadLetters, log, abortSignal));
}
