import { createHash } from "node:crypto";
import type { Pool } from "pg";
import { mayPass } from "../../db/errors.ts";
import { ConfigurationError, messageOf } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import * as sql from "../sql.ts";
import { loadRegistry } from "./load.ts";
import { fetchRegistry, nameOf, type RegistrySource } from "./source.ts";

/** What the clusters of the URL are from. */
const name = "http";

/**
 * Takes over what the URL has now; null where it has not changed since.
 *
 * @throws ConfigurationError when there is nothing that can be loaded, and an error that `sql.isTooMuch`
 */
export async function takeRegistry(
  pool: Pool,
  source: RegistrySource,
  accepted: boolean,
  stop?: AbortSignal,
): Promise<sql.RegistryLoaded | null> {
  const locationHash = createHash("sha256").update(source.url).digest();
  const known = await sql.registryVersion(pool, name, locationHash);
  const fetched = await fetchRegistry(source, known, stop);
  if (!fetched) {
    await sql.noteRegistry(pool, name, null);
    return null;
  }
  try {
    return await loadRegistry(
      pool,
      fetched.body,
      { source: name, locationHash, ...fetched.version },
      accepted,
    );
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new ConfigurationError(`${nameOf(source)} ${error.message}`, { cause: error.cause });
  }
}

/**
 * The same for a worker: what does not succeed is one warning, noted in `registry_source`, and the clusters
 * stay as they were: the next round tries again. So are lines that are left out. `stop` ends it early,
 * without a word.
 */
export async function refreshRegistry(
  pool: Pool,
  source: RegistrySource,
  log: Logger,
  stop?: AbortSignal,
): Promise<void> {
  const start = performance.now();
  try {
    const loaded = await takeRegistry(pool, source, false, stop);
    if (!loaded) return log.debug("registry of clusters has not changed");
    const { problems, ...counts } = loaded;
    const isNew = counts.added + counts.changed + counts.removed > 0;
    log[isNew ? "info" : "debug"](
      { ...counts, ms: Math.round(performance.now() - start) },
      "registry of clusters fetched",
    );
    if (problems.length > 0)
      log.warn({ problems: problems.slice(0, 5) }, "lines of the registry left out, see registry_source");
  } catch (error) {
    if (stop?.aborted) return;
    if (!(error instanceof ConfigurationError) && !sql.isTooMuch(error) && !mayPass(error)) throw error;
    await sql.noteRegistry(pool, name, messageOf(error)).catch(() => undefined);
    log.warn({ reason: messageOf(error) }, "registry of clusters not fetched, what was there stays");
  }
}
