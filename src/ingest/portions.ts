import type { KafkaMessage } from "kafkajs";
import { parseMessage } from "./parse_message.ts";

/** One call carries at most this much text, so that memory stays flat whatever the broker hands over. */
const mostCharacters = 8 * 1024 * 1024;

/** A message and what ingest() is told of it: an element of its batch, as JSON text. */
export type Entry = { message: KafkaMessage; json: string };

/**
 * Parses messages and hands them on in portions for one call of ingest() each: at most `mostMessages`, and, unless a
 * single one is longer, 8 MiB of JSON text. What counts is the text after inflating: a megabyte of gzip can be a
 * gigabyte of reports.
 */
export function* portionsOf(
  messages: KafkaMessage[],
  mostMessages: number,
  now: () => Date,
): Generator<Entry[]> {
  let portion: Entry[] = [];
  let characters = 0;
  for (const message of messages) {
    const entry = { message, json: entryOf(message, now()) };
    if (
      portion.length > 0 &&
      (portion.length >= mostMessages || characters + entry.json.length > mostCharacters)
    ) {
      yield portion;
      portion = [];
      characters = 0;
    }
    portion.push(entry);
    characters += entry.json.length;
  }
  if (portion.length > 0) yield portion;
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

/** The element for a message that is not taken: raw bytes in base64, the reason, and a sentence. */
export function rejection(message: KafkaMessage, reason: string, detail: string): string {
  const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [
    storable(name),
    [value ?? []].flat().map((one) => Buffer.from(one).toString("base64")),
  ]);
  return JSON.stringify({
    kafka_offset: message.offset,
    reason,
    detail: storable(detail),
    key: message.key?.toString("base64") ?? null,
    value: message.value?.toString("base64") ?? null,
    headers: Object.fromEntries(headers),
  });
}

function storable(text: string): string {
  return text.replaceAll("\0", "\ufffd").toWellFormed();
}
