import type { Task } from "graphile-worker";
import { decideWaiting } from "../src/decide/decide_waiting.ts";
import { oneAtATime } from "../src/ops/one_at_a_time.ts";
import { services } from "../src/ops/services.ts";

/** Decides for every cluster that waits. Payload: none. */
const decide: Task = async (_payload, { abortSignal }) => {
  const { pool, log } = services();
  await oneAtATime("decide", () => decideWaiting(pool, log, abortSignal));
};

export default decide;
