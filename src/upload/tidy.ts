import type { Pool } from "pg";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ObjectStore, StoredObject } from "../objects/store.ts";
import { countRemoved } from "./metrics.ts";
import * as sql from "./sql.ts";

const batchSize = 500;

/** An object that nobody knows and that is younger may belong to an upload that still comes in. */
const orphanAfterMs = 60 * 60_000;

/**
 * Removes contents of archives from the store: those whose time has come, or that are too many, and objects
 * that no archive has, since their upload was not accepted or its process died. The object goes first, then
 * the row says so.
 * @returns how many of each. Rejects with what the database or the store throws.
 */
export async function tidyArchives(
  pool: Pool,
  store: ObjectStore,
  keyPrefix: string,
  log: Logger,
  { signal, now = Date.now() }: { signal?: AbortSignal | undefined; now?: number } = {},
): Promise<{ past: number; orphans: number }> {
  let past = 0;
  while (!signal?.aborted) {
    const due = await sql.archivesToRemove(pool, store.name, batchSize);
    if (due.length === 0) break;
    const gone: string[] = [];
    for (const { archive_id, object_key } of due)
      if (await removed(store, object_key, log)) gone.push(archive_id);
    if (gone.length > 0) past += await sql.noteRemoved(pool, gone);
    if (gone.length < due.length) break; // the store is in trouble, next time
  }
  countRemoved("past", past);

  let orphans = 0;
  for await (const objects of batches(store.list(keyPrefix), signal)) {
    const old = objects
      .filter(({ storedAt }) => storedAt.getTime() < now - orphanAfterMs)
      .map(({ key }) => key);
    const known = new Set(old.length > 0 ? await sql.knownObjects(pool, old) : []);
    for (const key of old) if (!known.has(key) && (await removed(store, key, log))) orphans++;
  }
  countRemoved("orphan", orphans);
  if (past > 0 || orphans > 0) log.info({ store: store.name, past, orphans }, "archives removed");
  return { past, orphans };
}

async function removed(store: ObjectStore, key: string, log: Logger): Promise<boolean> {
  try {
    await store.delete(key);
    return true;
  } catch (error) {
    log.warn({ store: store.name, key, error: messageOf(error) }, "an archive cannot be removed yet");
    return false;
  }
}

async function* batches(
  objects: AsyncIterable<StoredObject>,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredObject[]> {
  let batch: StoredObject[] = [];
  for await (const object of objects) {
    if (signal?.aborted) return;
    batch.push(object);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
