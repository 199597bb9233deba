import type { Admin } from "kafkajs";
import type { Config } from "../config/config.ts";
import { createLogger } from "../log.ts";
import { createKafka } from "./client.ts";

/** Where a partition begins and ends at the broker. */
export type PartitionEnds = { partition: number; low: number; high: number };

/** What Kafka calls a topic among what has a configuration (kafkajs ConfigResourceTypes.TOPIC). */
const topicResource = 2;

/**
 * Asks the brokers how they are. It has a connection of its own, which gives up at once and logs nothing: the
 * consumer and the producers try again and say so, and whoever asks here wants an answer now.
 */
export class BrokerProbe {
  readonly #admin: Admin;
  #connected: Promise<void> | undefined;

  constructor(config: Config & { readonly kafkaBrokers: readonly string[] }) {
    const kafka = createKafka(config, createLogger("silent"), 1);
    this.#admin = kafka.admin();
  }

  /** How many brokers the cluster has; rejects when none answers. */
  async brokers(): Promise<number> {
    await this.#connect();
    return (await this.#asked(this.#admin.describeCluster())).brokers.length;
  }

  /**
   * How many partitions a topic has, and how long it keeps messages (-1: for ever; undefined: it is not
   * said); undefined for a topic that does not exist.
   */
  async topic(name: string): Promise<{ partitions: number; retentionMs: number | undefined } | undefined> {
    await this.#connect();
    if (!(await this.#asked(this.#admin.listTopics())).includes(name)) return undefined;
    const [{ topics }, { resources }] = await this.#asked(
      Promise.all([
        this.#admin.fetchTopicMetadata({ topics: [name] }),
        this.#admin.describeConfigs({
          includeSynonyms: false,
          resources: [{ type: topicResource, name, configNames: ["retention.ms"] }],
        }),
      ]),
    );
    const retention = resources[0]?.configEntries.find(({ configName }) => configName === "retention.ms");
    return {
      partitions: topics[0]?.partitions.length ?? 0,
      retentionMs: retention ? Number(retention.configValue) : undefined,
    };
  }

  /** Where each partition of a topic begins and ends; rejects when the topic does not exist. */
  async ends(topic: string): Promise<PartitionEnds[]> {
    await this.#connect();
    const ends = await this.#asked(this.#admin.fetchTopicOffsets(topic));
    return ends.map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }));
  }

  async close(): Promise<void> {
    await this.#admin.disconnect().catch(() => undefined);
  }

  #connect(): Promise<void> {
    this.#connected ??= this.#admin.connect().catch((error) => {
      this.#connected = undefined;
      throw error;
    });
    return this.#connected;
  }

  /** A connection that broke is made anew the next time. */
  async #asked<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      this.#connected = undefined;
      throw error;
    }
  }
}
