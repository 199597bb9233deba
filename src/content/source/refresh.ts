import type { Pool } from "pg";
import { isUnstorable, mayPass } from "../../db/errors.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import { isTooMuch, noteHeldLoad } from "../sql.ts";
import { ContentError } from "./error.ts";
import { type ContentSource, fetchContent, nameOf } from "./fetch.ts";
import { storeContent } from "./load.ts";
import { refusedInWords } from "./refused.ts";

/**
 * Takes over what the content service has now. What does not succeed is one warning, and the content stays as
 * it was: the next round tries again. Rules that do not conform are one warning, too. `stop` ends it early,
 * without a word.
 */
export async function refreshContent(
  pool: Pool,
  source: ContentSource,
  log: Logger,
  stop?: AbortSignal,
): Promise<void> {
  const start = performance.now();
  try {
    const read = await fetchContent(source, stop);
    const { loaded, refused } = await storeContent(pool, read, nameOf(source));
    const isNew = loaded.added + loaded.changed + loaded.removed > 0;
    log[isNew ? "info" : "debug"](
      { ...loaded, ms: Math.round(performance.now() - start) },
      "content fetched",
    );
    if (loaded.vanished.length > 0 && loaded.appeared.length > 0)
      log.warn(
        { vanished: loaded.vanished, appeared: loaded.appeared },
        "rules vanished and appeared together; if one has another name now: ccx content rename OLD NEW",
      );
    if (refused.length > 0)
      log.warn({ refused: refusedInWords(refused) }, "content left out, see refused_content");
  } catch (error) {
    if (stop?.aborted) return;
    const expected =
      error instanceof ContentError || isTooMuch(error) || mayPass(error) || isUnstorable(error);
    if (!expected) throw error;
    if (isTooMuch(error)) await noteHeldLoad(pool, messageOf(error)).catch(() => undefined);
    log.warn({ reason: messageOf(error) }, "content not fetched, what was there stays");
  }
}
