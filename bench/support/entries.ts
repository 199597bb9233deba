import type { KafkaMessage } from "kafkajs";
import { type Entry, portionsOf } from "../../src/ingest/portions.ts";

/** Values as the broker hands them over, from this offset on. */
function kafkaMessages(values: string[], firstOffset: number): KafkaMessage[] {
  return values.map((value, n) => ({
    key: null,
    value: Buffer.from(value),
    timestamp: "0",
    attributes: 0,
    offset: String(firstOffset + n),
    headers: {},
  }));
}

/** The calls of ingest() that the consumer makes of these values. */
export function portions(values: string[], firstOffset: number, batchSize: number): Entry[][] {
  return [...portionsOf(kafkaMessages(values, firstOffset), batchSize, () => new Date())];
}
