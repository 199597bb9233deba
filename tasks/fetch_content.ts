import type { Task } from "graphile-worker";
import { refreshContent } from "../src/content/source/refresh.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import type { ServicesWith } from "../src/worker/services.ts";

/** Asks the content service. Payload: none that matters (cron). */
export default function fetchContent({ contentSource, pool, log }: ServicesWith<"contentSource">): Task {
  return (_payload, { abortSignal }) =>
    oneAtATime("fetch_content", () => refreshContent(pool, contentSource, log, abortSignal));
}
