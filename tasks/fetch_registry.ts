import type { Task } from "graphile-worker";
import { refreshRegistry } from "../src/results/registry/refresh.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import type { ServicesWith } from "../src/worker/services.ts";

/** Asks for the registry of clusters. Payload: none that matters (cron). */
export default function fetchRegistry({ registrySource, pool, log }: ServicesWith<"registrySource">): Task {
  return (_payload, { abortSignal }) =>
    oneAtATime("fetch_registry", () => refreshRegistry(pool, registrySource, log, abortSignal));
}
