import type { KafkaMessage } from "kafkajs";
import type { Pool } from "pg";
import { z } from "zod";
import { isUnstorable } from "../db/errors.ts";
import { messageOf } from "../errors.ts";
import { parseMessage } from "./parse_message.ts";

const ingested = z.object({
  stored: z.number(),
  replaced: z.number(),
  unchanged: z.number(),
  rejected: z.number(),
  skipped: z.number(),
});

/** How many messages of a batch were new, replaced, known already, refused, and already consumed before. */
export type Ingested = z.infer<typeof ingested>;

export type IngestBatch = {
  topic: string;
  partition: number;
  /** The partition's end as the broker told it; before the offset we expect next, the topic was created anew. */
  highWatermark: string;
  messages: KafkaMessage[];
};

/** SQLSTATE that ingest() raises for a topic that was created anew. */
export const topicRecreated = "CX001";

/**
 * Stores a batch with one call of SQL ingest(). When PostgreSQL cannot hold a value that passed our checks, the batch
 * is halved until the message is found, and that one is rejected as `not_storable`.
 * Rejects with what `pg` throws; then nothing of the batch (or of its remaining half) is stored.
 */
export async function ingestBatch(pool: Pool, batch: IngestBatch, now: Date = new Date()): Promise<Ingested> {
  return store(
    pool,
    batch,
    batch.messages.map((message) => entryOf(message, now)),
    batch.messages,
  );
}

async function store(
  pool: Pool,
  batch: IngestBatch,
  entries: string[],
  messages: KafkaMessage[],
): Promise<Ingested> {
  try {
    const { rows } = await pool.query({
      name: "ingest",
      text: "select stored, replaced, unchanged, rejected, skipped from ingest($1, $2, $3::jsonb, $4)",
      values: [batch.topic, batch.partition, `[${entries.join(",")}]`, batch.highWatermark],
    });
    return ingested.parse(rows[0]);
  } catch (error) {
    if (!isUnstorable(error)) throw error;
    const [message] = messages;
    if (messages.length === 1 && message) {
      return store(pool, batch, [rejection(message, "not_storable", messageOf(error))], []);
    }
    if (messages.length < 2) throw error;
    const middle = messages.length >> 1;
    const first = await store(pool, batch, entries.slice(0, middle), messages.slice(0, middle));
    return add(first, await store(pool, batch, entries.slice(middle), messages.slice(middle)));
  }
}

/** Adds up two results. */
export function add(a: Ingested, b: Ingested): Ingested {
  return {
    stored: a.stored + b.stored,
    replaced: a.replaced + b.replaced,
    unchanged: a.unchanged + b.unchanged,
    rejected: a.rejected + b.rejected,
    skipped: a.skipped + b.skipped,
  };
}

/** One element of ingest()'s batch. The message goes in as it came: PostgreSQL parses it, nobody writes it anew. */
function entryOf(message: KafkaMessage, now: Date): string {
  const parsed = parseMessage(message.value, now);
  if (parsed.kind === "rejected") return rejection(message, parsed.reason, parsed.text);
  return (
    `{"kafka_offset":${message.offset},"org_id":${parsed.orgId},"account_number":${parsed.accountNumber}` +
    `,"cluster":"${parsed.cluster}","updated_at":"${parsed.updatedAt}","message":${parsed.json}}`
  );
}

function rejection(message: KafkaMessage, reason: string, detail: string): string {
  const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [
    name.replaceAll("\0", "\ufffd").toWellFormed(),
    [value ?? []].flat().map((one) => Buffer.from(one).toString("base64")),
  ]);
  return JSON.stringify({
    kafka_offset: message.offset,
    reason,
    detail: detail.replaceAll("\0", "\ufffd").toWellFormed(),
    key: message.key?.toString("base64") ?? null,
    value: message.value?.toString("base64") ?? null,
    headers: Object.fromEntries(headers),
  });
}
