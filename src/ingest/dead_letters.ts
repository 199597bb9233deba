import type { IHeaders, Message } from "kafkajs";
import type { Pool } from "pg";
import { type RecordProducer, sendEach } from "../kafka/send_each.ts";
import type { Logger } from "../log.ts";
import { mostBytes, mostRejected } from "./portions.ts";
import type { RejectedMessage } from "./rejected.ts";
import * as sql from "./sql.ts";

/** Where rejected messages go, besides `rejected_message`. */
export type DeadLetters = { topic: string; producer: RecordProducer };

/** Longer than a send can take; what the broker did not take is tried again when it has passed. */
const lease = "1 minute";

/**
 * Writes rejected messages to the dead-letter topic until none is due any more. The table is the truth: what
 * was sent and not recorded goes out again, and what the topic refuses for good is marked with the reason.
 * Does not throw when Kafka is away.
 */
export async function forwardRejected(
  pool: Pool,
  { topic, producer }: DeadLetters,
  log: Logger,
  signal?: AbortSignal,
): Promise<void> {
  while (!signal?.aborted) {
    const claimed = await sql.claimDeadLetters(pool, mostRejected, mostBytes, lease);
    if (claimed.length === 0) return;
    claimed.sort((a, b) => Number(a.id) - Number(b.id));
    const results = await sendEach(
      producer,
      topic,
      new Map(claimed.map((message) => [message.id, deadLetterOf(message)])),
    );
    const sent: string[] = [];
    let failure: string | undefined;
    for (const [id, result] of results) {
      if (result.ok) sent.push(id);
      else if (result.error.permanent) {
        await sql.settleDeadLetters(pool, [id], result.error.message);
        log.warn({ topic, id, error: result.error.message }, "rejected message not forwarded");
      } else failure = result.error.message;
    }
    if (sent.length > 0) {
      await sql.settleDeadLetters(pool, sent, null);
      log.info({ topic, forwarded: sent.length }, "rejected messages forwarded");
    }
    if (failure !== undefined) {
      log.warn({ topic, error: failure }, "rejected messages cannot be forwarded yet, trying again");
      return;
    }
  }
}

/**
 * The message as it came, with headers of ours behind its own. kafkajs cannot write a header without a value:
 * such a one goes out empty, and `ccx-rejected-null-headers` says which they were, as JSON: name → places
 * among the name's values.
 */
function deadLetterOf(message: RejectedMessage): Message {
  const theirs = Object.entries(message.headers);
  const headers: IHeaders = Object.fromEntries(
    theirs.map(([name, values]) => [name, values.map((value) => value ?? Buffer.alloc(0))]),
  );
  const withoutValue = theirs.flatMap(([name, values]) => {
    const places = values.flatMap((value, place) => (value === null ? [place] : []));
    return places.length > 0 ? [[name, places] as const] : [];
  });
  const ours = {
    reason: message.reason,
    detail: message.detail,
    topic: message.topic,
    partition: String(message.partition),
    offset: message.kafka_offset,
    time: message.received_at,
    ...(withoutValue.length > 0 && { "null-headers": JSON.stringify(Object.fromEntries(withoutValue)) }),
  };
  for (const [name, value] of Object.entries(ours)) {
    const before = headers[`ccx-rejected-${name}`] as Buffer[] | undefined;
    headers[`ccx-rejected-${name}`] = [...(before ?? []), Buffer.from(value)];
  }
  return { key: message.key, value: message.value, headers };
}
