import type { Pool } from "pg";
import { z } from "zod";
import { halving, sum } from "./ingest_batch.ts";
import { mostBytes, mostRejected, portionsOf } from "./portions.ts";
import { conditionOf, type RejectedFilter, rejectedMessage } from "./rejected.ts";

const retried = z.object({
  stored: z.number(),
  replaced: z.number(),
  unchanged: z.number(),
  rejected: z.number(),
  done_already: z.number(),
});

/** How many messages are new reports now, replaced one, were known, are still rejected, or were stored by somebody else. */
export type Retried = z.infer<typeof retried>;

/** What a retry reads of `rejected_message`. */
const toRetry = rejectedMessage.pick({ id: true, kafka_offset: true, value: true });

/**
 * Tries rejected messages again that no retry has stored yet, as if they had just arrived: the same parser, the same
 * SQL. Each portion is a transaction of its own, so that whatever ends this early leaves every message done or not.
 * Rejects with what `pg` throws, and with ConfigurationError for a place that is none.
 */
export async function retryRejected(pool: Pool, filter: RejectedFilter): Promise<Retried> {
  const parts: Retried[] = [{ stored: 0, replaced: 0, unchanged: 0, rejected: 0, done_already: 0 }];
  const condition = conditionOf(filter);
  // what is rejected anew stays in the table, so we go on after the last one rather than from the top
  let after = "0";
  const newest = (await pool.query("select coalesce(max(id), 0) as id from rejected_message")).rows[0].id;
  for (;;) {
    const { rows } = await pool.query(
      `select id, kafka_offset, value
       from (
         select r.*, sum(octet_length(r.value)) over (order by r.id) as bytes, row_number() over (order by r.id) as nth
         from (
           select r.* from rejected_message r
           where r.stored_at is null and r.id > $11 and r.id <= $12 and ${condition.sql}
           order by r.id
           limit ${mostRejected}
         ) r
       ) r
       where nth = 1 or bytes is null or bytes <= ${mostBytes}
       order by id`,
      [...condition.values, after, newest],
    );
    const messages = z.array(toRetry).parse(rows);
    const last = messages.at(-1);
    if (!last) return sum(parts);
    after = last.id;
    const arrived = messages.map(({ id, kafka_offset, value }) => ({
      id,
      offset: kafka_offset,
      key: null,
      value,
    }));
    for (const entries of portionsOf(arrived, mostRejected, () => new Date())) {
      const stored = await halving(entries, async (batch) => {
        const result = await pool.query("select * from ccx.retry_rejected($1::jsonb)", [batch]);
        return retried.parse(result.rows[0]);
      });
      parts.push(...stored);
    }
  }
}
