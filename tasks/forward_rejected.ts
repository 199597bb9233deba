import type { Task } from "graphile-worker";
import { forwardRejected } from "../src/ingest/dead_letters.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import { services } from "../src/worker/services.ts";

/** Writes rejected messages to the dead-letter topic. Payload: none. Only processes that are configured for it take this task. */
const forward: Task = async (_payload, { abortSignal }) => {
  const { deadLetters, pool, log } = services();
  if (!deadLetters) throw new Error("no dead-letter topic is configured in this process");
  await oneAtATime("forward_rejected", () => forwardRejected(pool, deadLetters, log, abortSignal));
};

export default forward;
