import type { Task } from "graphile-worker";
import { archiveIdentity } from "../src/objects/sql.ts";
import { tidyArchives as tidy } from "../src/upload/tidy.ts";
import { oneAtATime } from "../src/worker/one_at_a_time.ts";
import type { ServicesWith } from "../src/worker/services.ts";

/** Removes contents of archives whose time has come. Payload: none that matters (cron). */
export default function tidyArchives({ uploads, pool, log }: ServicesWith<"uploads">): Task {
  return (_payload, { abortSignal }) =>
    oneAtATime("tidy_archives", async () => {
      const { prefix } = await archiveIdentity(pool);
      await tidy(pool, uploads.store, prefix, log, { signal: abortSignal });
    });
}
