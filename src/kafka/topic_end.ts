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
};

/**
 * Does work with the partition's end; once more, with the end as it is now, when it is refused since the
 * topic seems to have been created anew: what came with a batch is old when another consumer has gone on
 * since.
 */
export async function atEnd<T>({
  kafka,
  topic,
  partition,
  highWatermark,
  isRecreated,
  work,
}: AtEnd<T>): Promise<T> {
  try {
    return await work(highWatermark);
  } catch (error) {
    if (!isRecreated(error)) throw error;
    return await work(await topicEnd(kafka, topic, partition));
  }
}
