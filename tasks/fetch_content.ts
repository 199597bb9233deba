import type { Task } from "graphile-worker";
import { refreshContent } from "../src/content/source/refresh.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import { services } from "../src/worker/services.ts";

/** Asks the content service. Payload: none that matters (cron). Only processes that are configured for it take this task. */
const fetchContent: Task = async (_payload, { abortSignal }) => {
  const { contentSource, pool, log } = services();
  if (!contentSource) throw new Error("no content service is configured in this process");
  await oneAtATime("fetch_content", () => refreshContent(pool, contentSource, log, abortSignal));
};

export default fetchContent;
