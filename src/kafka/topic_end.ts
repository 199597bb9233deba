import { setTimeout as sleep } from "node:timers/promises";
import type { Kafka } from "kafkajs";

/** The offset at which a partition ends, asked of the broker now; "0" for a partition that does not exist. */
async function topicEnd(kafka: Kafka, topic: string, partition: number): Promise<string> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
  return ends.find((end) => end.partition === partition)?.high ?? "0";
}

export type AtEnd<T> = {
  kafka: Kafka;
  topic: string;
  partition: number;
  /** The partition's end as the broker gave it with a batch. */
  highWatermark: string;
  /** Whether an error says that the topic ends before what is stored of it. */
  isRecreated: (error: unknown) => boolean;
  work: (highWatermark: string) => Promise<T>;
  /** Ends a wait, with the error that is there. */
  signal?: AbortSignal;
};

/** Waits before the broker is asked again for the end: four seconds in all. */
const waitsMs = [0, 250, 500, 1_000, 2_000];

/**
 * Does work with the partition's end; again, with the end as it is then, when it is refused since the topic
 * seems to have been created anew. What came with a batch is old when another consumer has gone on since, and
 * a broker that has just become the leader of a partition may give an older end for a moment than the leader
 * before it gave (Kafka's KIP-207).
 */
export async function atEnd<T>(given: AtEnd<T>): Promise<T> {
  const { kafka, topic, partition, highWatermark, isRecreated, work, signal } = given;
  let refused: unknown;
  for (const waitMs of [undefined, ...waitsMs]) {
    try {
      if (waitMs === undefined) return await work(highWatermark);
      await sleep(waitMs, undefined, { signal }).catch(() => Promise.reject(refused));
      return await work(await topicEnd(kafka, topic, partition));
    } catch (error) {
      if (!isRecreated(error)) throw error;
      refused = error;
    }
  }
  throw refused;
}
