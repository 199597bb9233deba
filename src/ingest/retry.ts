import type { Pool } from "pg";
import { halving, sum } from "./ingest_batch.ts";
import { mostBytes, mostRejected, portionsOf } from "./portions.ts";
import type { RejectedFilter } from "./rejected.ts";
import * as sql from "./sql.ts";
import { type StreamName, streams } from "./streams.ts";

/**
 * Tries rejected messages again that no retry has stored yet, as if they had just arrived: the parser of
 * their stream, the same SQL. Each portion is a transaction of its own, so that whatever ends this early
 * leaves every message done or not. Rejects with what `pg` throws, and with ConfigurationError for a place
 * that is none.
 */
export async function retryRejected(pool: Pool, filter: RejectedFilter): Promise<sql.Retried> {
  const parts: sql.Retried[] = [{ stored: 0, replaced: 0, unchanged: 0, rejected: 0, done_already: 0 }];
  // what is rejected again stays in the table, so we go on after the last one rather than from the top
  let after = "0";
  const newest = await sql.newestRejected(pool);
  const aheadMs = Date.parse(await sql.databaseTime(pool)) - Date.now();
  const now = () => new Date(Date.now() + aheadMs); // as the database sees it, also when our clock is wrong
  const sizes = { batchSize: mostRejected, maxBytes: mostBytes };
  for (;;) {
    const messages = await sql.nextRejected(pool, { after, last: newest, ...sizes }, filter);
    const last = messages.at(-1);
    if (!last) return sum(parts);
    after = last.id;
    for (const [stream, rejected] of Map.groupBy(messages, (message): StreamName => message.stream)) {
      const arrived = rejected.map(({ id, kafka_offset, value }) => ({
        id,
        offset: kafka_offset,
        key: null,
        value,
      }));
      for (const entries of portionsOf(arrived, mostRejected, now, streams[stream])) {
        const stored = await halving(entries, (batch) => sql.retryRejected(pool, batch));
        parts.push(...stored);
      }
    }
  }
}

/**
 * Tries rejected messages again whose time has come: a report from the near future, a message that ran into a
 * timeout. Undefined when there were none. Rejects with what `pg` throws.
 */
export async function retryDue(pool: Pool): Promise<sql.Retried | undefined> {
  const places = await sql.dueRejected(pool, mostRejected);
  return places.length === 0 ? undefined : retryRejected(pool, { places });
}
