import kafkajs, { type Kafka, type KafkaMessage } from "kafkajs";
import { cutOffFetches } from "../../src/kafka/cut_off_fetch.ts";
import { until } from "./until.ts";

/** What is on topics of one partition, read as it comes. */
export type Topics = {
  /** All messages of a topic that are there by now, in their order. */
  read(topic: string): Promise<KafkaMessage[]>;
} & AsyncDisposable;

/** Creates topics of one partition each, and follows them; disposing removes them. */
export async function followTopics(kafka: Kafka, topics: readonly string[]): Promise<Topics> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: topics.map((topic) => ({ topic, numPartitions: 1 })),
    waitForLeaders: false,
  });
  await until("the topics have leaders", () =>
    admin.fetchTopicMetadata({ topics: [...topics] }).then(
      ({ topics: made }) => made.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0)),
      () => false,
    ),
  );
  const seen = new Map(topics.map((topic) => [topic, [] as KafkaMessage[]]));
  cutOffFetches();
  const group = `follow-${topics[0]}`;
  const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 100 });
  await consumer.connect();
  for (const topic of topics) await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, message }) => void seen.get(topic)?.push(message),
  });
  return {
    async read(topic) {
      const [partition] = await admin.fetchTopicOffsets(topic);
      const end = Number(partition?.offset);
      const messages = seen.get(topic) ?? [];
      await until(`${end} messages of ${topic} are read`, () => messages.length >= end);
      return messages.slice(0, end);
    },
    async [Symbol.asyncDispose]() {
      await consumer.disconnect();
      await admin.deleteGroups([group]).catch(() => undefined);
      await admin.deleteTopics({ topics: [...topics] });
      await admin.disconnect();
    },
  };
}

/** A client of the broker that tests share. */
export const testKafka = (): Kafka =>
  new kafkajs.Kafka({
    brokers: (process.env.TEST_KAFKA_BROKERS ?? "").split(","),
    logLevel: kafkajs.logLevel.NOTHING,
  });
