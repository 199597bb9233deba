import type { Task } from "graphile-worker";
import { decideWaiting } from "../src/decide/decide_due.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import { services } from "../src/worker/services.ts";

/** Decides for every cluster that waits. Payload: none. */
const decide: Task = async (_payload, { abortSignal }) => {
  const { pool, log, deciders } = services();
  await oneAtATime("decide", () => decideWaiting(pool, log, { deciders, signal: abortSignal }));
};

export default decide;
