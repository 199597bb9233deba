import type { Kafka } from "kafkajs";

/** The offset at which a partition ends, asked of the broker now; "0" for a partition that does not exist. */
export async function topicEnd(kafka: Kafka, topic: string, partition: number): Promise<string> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
  return ends.find((end) => end.partition === partition)?.high ?? "0";
}
