import type { Pool } from "pg";
import { z } from "zod";
import { ConfigurationError } from "../errors.ts";

/** Which rejected messages are meant; what is not given does not narrow. */
export type RejectedFilter = {
  reason?: string | undefined;
  topic?: string | undefined;
  org?: string | undefined;
  cluster?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
  /** Ids, or positions as topic/partition/offset. */
  places?: string[] | undefined;
};

const base64 = z.string().transform((text) => Buffer.from(text, "base64"));
/** Null is a header without a value. */
const headers = z.record(z.string(), z.array(base64.nullable()));
const bytes = z.instanceof(Buffer).nullable();

export const rejectedMessage = z.object({
  id: z.string(),
  topic: z.string(),
  partition: z.number(),
  kafka_offset: z.string(),
  reason: z.string(),
  detail: z.string(),
  key: bytes,
  value: bytes,
  headers,
  received_at: z.string(),
  org_id: z.string().nullable(),
  cluster: z.string().nullable(),
  attempts: z.number(),
  retried_at: z.string().nullable(),
  stored_at: z.string().nullable(),
  dead_lettered_at: z.string().nullable(),
  dead_letter_error: z.string().nullable(),
});

/** A row of `rejected_message`. */
export type RejectedMessage = z.infer<typeof rejectedMessage>;

const place = /^(?:(\d+)|([A-Za-z0-9._-]{1,249})\/(\d+)\/(\d+))$/;

/** The condition of a query on `rejected_message r`, with its values from $1 on. */
export function conditionOf(filter: RejectedFilter): { sql: string; values: unknown[] } {
  const { reason, topic, org, cluster, since, until, places } = filter;
  const found = places?.map((text) => {
    const parts = place.exec(text);
    if (parts === null)
      throw new ConfigurationError(
        `"${text}" is neither TOPIC/PARTITION/OFFSET nor the id of a rejected message.`,
      );
    return parts;
  });
  const column = (nth: number) => found?.map((parts) => parts[nth] ?? null) ?? null;
  return {
    sql: `($1::text is null or r.reason = $1) and ($2::text is null or r.topic = $2)
      and ($3::bigint is null or r.org_id = $3) and ($4::text is null or r.cluster = lower($4))
      and ($5::timestamptz is null or r.received_at >= $5) and ($6::timestamptz is null or r.received_at < $6)
      and ($7::bigint[] is null or r.id = any ($7) or exists (
        select from unnest($8::text[], $9::integer[], $10::bigint[]) as p (topic, partition, kafka_offset)
        where p.topic = r.topic and p.partition = r.partition and p.kafka_offset = r.kafka_offset))`,
    values: [
      ...[reason ?? null, topic ?? null, org ?? null, cluster ?? null, since ?? null, until ?? null],
      ...[column(1), column(2), column(3), column(4)],
    ],
  };
}

/** How many messages a retry would try, by reason, most first. */
export async function countWaiting(
  pool: Pool,
  filter: RejectedFilter,
): Promise<{ reason: string; messages: number }[]> {
  const { sql, values } = conditionOf(filter);
  const { rows } = await pool.query(
    `select r.reason, count(*)::integer as messages from rejected_message r
     where r.stored_at is null and ${sql} group by r.reason order by messages desc, r.reason`,
    values,
  );
  return rows;
}
