import kafkajs from "kafkajs";
import type pg from "pg";
import { messagesOf, type Round } from "./results.ts";

/**
 * Puts a round of a fleet's results on a topic, in turns on its partitions, so many at a time; returns how
 * many messages that are.
 * @param client of a database with the functions that make them up (results.ts)
 */
export async function produceRound(
  brokers: string,
  client: pg.ClientBase,
  to: { topic: string; partitions: number; round: Round; atATime?: number | undefined },
): Promise<number> {
  const producer = new kafkajs.Kafka({
    brokers: brokers.split(","),
    logLevel: kafkajs.logLevel.NOTHING,
  }).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  let count = 0;
  try {
    for await (const values of messagesOf(client, to.round, to.atATime ?? 1_000)) {
      const messages = values.map((value, n) => ({ value, partition: n % to.partitions }));
      await producer.send({ topic: to.topic, messages });
      count += values.length;
    }
  } finally {
    await producer.disconnect();
  }
  return count;
}
