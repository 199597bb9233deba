import type { Pool } from "pg";
import { isUnstorable } from "../db/errors.ts";
import { messageOf } from "../errors.ts";
import { parseMessage } from "./parse_message.ts";
import { type Entry, rejection } from "./portions.ts";
import * as sql from "./sql.ts";

/**
 * Stores a portion of a partition with one call of SQL ingest().
 * Rejects with what `pg` throws; then nothing of the portion (or of its remaining half) is stored.
 */
export async function ingestBatch(
  pool: Pool,
  position: sql.Position,
  entries: Entry[],
): Promise<sql.Ingested> {
  return sum(await halving(entries, (batch) => sql.ingest(pool, position, batch)));
}

/**
 * Calls `store` with the entries as one JSON array. When the database refuses a value that passed our checks,
 * they are halved until the message is found, and that one is rejected as `not_storable`.
 */
export async function halving<T>(entries: Entry[], store: (batch: string) => Promise<T>): Promise<T[]> {
  const whole = (parts: Entry[]) => store(`[${parts.map(({ json }) => json).join(",")}]`);
  try {
    return [await whole(entries)];
  } catch (error) {
    if (!isUnstorable(error)) throw error;
    const [entry] = entries;
    if (entries.length === 1 && entry) {
      const json = rejection(entry.message, "not_storable", messageOf(error), ownerIn(entry));
      return [await whole([{ ...entry, json }])];
    }
    const middle = entries.length >> 1;
    const first = await halving(entries.slice(0, middle), store);
    return [...first, ...(await halving(entries.slice(middle), store))];
  }
}

/** Whose message it is: our checks have read it, otherwise the database would not have been asked. */
function ownerIn({ message }: Entry): { orgId?: number; cluster?: string } {
  const parsed = parseMessage(message.value, new Date());
  return parsed.kind === "report" ? { orgId: parsed.orgId, cluster: parsed.cluster } : {};
}

/** Adds up counts of the same names. */
export function sum<Counts extends Record<string, number>>(parts: Counts[]): Counts {
  const [first, ...others] = parts;
  const total: Record<string, number> = { ...first };
  for (const part of others)
    for (const [name, count] of Object.entries(part)) total[name] = (total[name] ?? 0) + count;
  return total as Counts;
}
