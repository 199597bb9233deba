import type { Pool } from "pg";
import { z } from "zod";
import { isUnstorable } from "../db/errors.ts";
import { messageOf } from "../errors.ts";
import { type Entry, rejection } from "./portions.ts";

const ingested = z.object({
  stored: z.number(),
  replaced: z.number(),
  unchanged: z.number(),
  rejected: z.number(),
  skipped: z.number(),
});

/** How many messages of a batch were new, replaced, known already, refused, and already consumed before. */
export type Ingested = z.infer<typeof ingested>;

export type Position = {
  topic: string;
  partition: number;
  /** The partition's end as the broker told it; before the offset we expect next, the topic was created anew. */
  highWatermark: string;
};

/** SQLSTATE that ingest() raises for a topic that was created anew. */
export const topicRecreated = "CX001";

/**
 * Stores a portion of a partition with one call of SQL ingest(). When the database refuses a value that passed our
 * checks, the portion is halved until the message is found, and that one is rejected as `not_storable`.
 * Rejects with what `pg` throws; then nothing of the portion (or of its remaining half) is stored.
 */
export async function ingestBatch(pool: Pool, position: Position, entries: Entry[]): Promise<Ingested> {
  try {
    return await store(pool, position, entries);
  } catch (error) {
    if (!isUnstorable(error)) throw error;
    const [entry] = entries;
    if (entries.length === 1 && entry) {
      return store(pool, position, [
        { ...entry, json: rejection(entry.message, "not_storable", messageOf(error)) },
      ]);
    }
    const middle = entries.length >> 1;
    const first = await ingestBatch(pool, position, entries.slice(0, middle));
    return add(first, await ingestBatch(pool, position, entries.slice(middle)));
  }
}

async function store(pool: Pool, position: Position, entries: Entry[]): Promise<Ingested> {
  const { rows } = await pool.query({
    name: "ingest",
    text: "select stored, replaced, unchanged, rejected, skipped from ingest($1, $2, $3::jsonb, $4)",
    values: [
      position.topic,
      position.partition,
      `[${entries.map(({ json }) => json).join(",")}]`,
      position.highWatermark,
    ],
  });
  return ingested.parse(rows[0]);
}

function add(a: Ingested, b: Ingested): Ingested {
  return {
    stored: a.stored + b.stored,
    replaced: a.replaced + b.replaced,
    unchanged: a.unchanged + b.unchanged,
    rejected: a.rejected + b.rejected,
    skipped: a.skipped + b.skipped,
  };
}
