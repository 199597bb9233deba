import type { Pool } from "pg";
import { isFaultOfAnotherObject, isUnstorable, isWorkToBlame, troubleOf } from "../db/errors.ts";
import { messageOf } from "../errors.ts";
import { type Arrived, type Entry, type Owner, rejection } from "./portions.ts";
import type * as sql from "./sql.ts";
import { type Stream, streams } from "./streams.ts";

/** What runs into a timeout by itself is tried again after so long, and then after longer and longer. */
const retryAfterMs = 10 * 60_000;

/**
 * What is done about a portion that the database does not get done: nothing before `isOver`, since a lock or
 * a busy server passes; then it is halved.
 */
export type Patience = {
  isOver(): boolean;
  now(): Date;
};

/** For whoever does not wait: what fails is halved at once. */
const noPatience: Patience = { isOver: () => true, now: () => new Date() };

/**
 * Stores a portion of a partition with one call of SQL: of ingest(), or what its stream has in place of it.
 * Rejects with what `pg` throws; then nothing of the portion (or of its remaining half) is stored.
 */
export async function ingestBatch(
  pool: Pool,
  position: sql.Position,
  entries: Entry[],
  patience: Patience = noPatience,
  stream: Stream = streams.results,
): Promise<sql.Ingested> {
  let { expectedOffset } = position;
  const store = async (batch: string, part: Entry[]) => {
    const last = part.at(-1)?.message.offset;
    // of the last part only: the others are followed by what is not stored yet
    const portionEnd = last === entries.at(-1)?.message.offset ? position.portionEnd : undefined;
    const stored = await stream.store(pool, { ...position, expectedOffset, portionEnd }, batch);
    if (last !== undefined) expectedOffset = `${BigInt(last) + 1n}`;
    return stored;
  };
  return sum(await halving(entries, store, patience));
}

/**
 * Calls `store` with the entries as one JSON array. When the database refuses a value that passed our checks,
 * they are halved until the message is found, and that one is rejected as `not_storable`. When it does not
 * get them done, that is done once patience is over; the message that does not get done even by itself is
 * rejected as `timed_out`, and tried again later. Where hardly anything gets done, nobody is guilty, and the
 * error is thrown; what was stored before stays.
 */
export async function halving<T>(
  entries: Entry[],
  store: (batch: string, entries: Entry[]) => Promise<T>,
  patience: Patience = noPatience,
): Promise<T[]> {
  // a few messages that are guilty cost a way down each
  let triesLeft = 3 * (Math.ceil(Math.log2(entries.length + 1)) + 1);
  const whole = (parts: Entry[]) => store(`[${parts.map(({ json }) => json).join(",")}]`, parts);
  const storeParts = async (parts: Entry[]): Promise<T[]> => {
    try {
      return [await whole(parts)];
    } catch (error) {
      const isValue = isUnstorable(error);
      if (!isValue && (!isWorkToBlame(error) || !patience.isOver() || triesLeft-- <= 0)) throw error;
      const [entry] = parts;
      if (parts.length === 1 && entry) {
        const { owner } = entry;
        // what is rejected already has its reason
        if (!isValue && owner === undefined) throw error;
        const json =
          isValue && !isFaultOfAnotherObject(error)
            ? rejection(entry.message, "not_storable", messageOf(error), owner ?? {})
            : putAside(entry.message, owner ?? {}, error, patience.now());
        const stored = await whole([{ ...entry, json }]);
        entry.isPutAside = true;
        return [stored];
      }
      const middle = parts.length >> 1;
      const first = await storeParts(parts.slice(0, middle));
      return [...first, ...(await storeParts(parts.slice(middle)))];
    }
  };
  return storeParts(entries);
}

/** A message that the server, which is well, does not get done, or somebody's object stops: tried again. */
function putAside(message: Arrived, owner: Owner, error: unknown, now: Date): string {
  const reason = ["unexpected", "refused"].includes(troubleOf(error)) ? "not_storable" : "timed_out";
  const retryAt = new Date(now.getTime() + retryAfterMs).toISOString();
  return rejection(message, reason, messageOf(error), { ...owner, retryAt });
}

/** Adds up counts of the same names. */
export function sum<Counts extends Record<string, number>>(parts: Counts[]): Counts {
  const [first, ...others] = parts;
  const total: Record<string, number> = { ...first };
  for (const part of others)
    for (const [name, count] of Object.entries(part)) total[name] = (total[name] ?? 0) + count;
  return total as Counts;
}
