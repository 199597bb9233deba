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
/** The five minutes of the schedule in src/worker/worker.ts. */
const askedEvery = "5 minutes";

/**
 * Takes over what the URL has now; null where it has not changed since. Who asks again and again says how
 * often, so that it is noticed when nobody does any more.
 *
 * @throws ConfigurationError when there is nothing that can be loaded, and an error that `sql.isTooMuch`
 */
export async function takeRegistry(
  pool: Pool,
  source: RegistrySource,
  {
    accepted = false,
    askedEvery: every,
    stop,
  }: { accepted?: boolean; askedEvery?: string; stop?: AbortSignal | undefined },
): Promise<sql.RegistryLoaded | null> {
  const locationHash = createHash("sha256").update(source.url).digest();
  const known = await sql.registryVersion(pool, name, locationHash);
  const fetched = await fetchRegistry(source, known, stop);
  if (!fetched) {
    await sql.noteRegistry(pool, { source: name, askedEvery: every }, null);
    return null;
  }
  try {
    return await loadRegistry(
      pool,
      fetched.body,
      { source: name, locationHash, askedEvery: every, ...fetched.version },
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
    const loaded = await takeRegistry(pool, source, { askedEvery, stop });
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
    const asked = { source: name, askedEvery };
    await sql.noteRegistry(pool, asked, messageOf(error)).catch(() => undefined);
    log.warn({ reason: messageOf(error) }, "registry of clusters not fetched, what was there stays");
  }
}
