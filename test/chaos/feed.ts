import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import type { Fleet, Made } from "./fleet.ts";

export const idHeader = "chaos-id";
const everyMs = 200;
const mostPartitions = 8;

/**
 * Puts the fleet's messages on the topic, so many a second, each until it is acknowledged; what was lost on
 * the way back may stand there twice. Batches of one partition keep their order.
 */
export class Feed {
  /** Ids of what the broker acknowledged. */
  readonly acknowledged = new Set<string>();
  /** For every partition, the first offset after what the broker acknowledged. */
  readonly ends = new Map<number, number>();
  #stopped = false;
  #aborted = false;
  readonly #kafka: kafkajs.Kafka;
  readonly #topic: string;
  readonly #fleet: Fleet;
  readonly #done: Promise<void>;

  /** @param least it stops only when it has made so many, however long Kafka was away */
  constructor(brokers: string, topic: string, fleet: Fleet, perSecond: number, least: number) {
    const kafka = new kafkajs.Kafka({
      brokers: [brokers],
      logLevel: kafkajs.logLevel.NOTHING,
      connectionTimeout: 2_000,
      requestTimeout: 8_000,
      retry: { retries: 1, initialRetryTime: 100 },
    });
    this.#kafka = kafka;
    this.#topic = topic;
    this.#fleet = fleet;
    this.#done = this.#run(perSecond, least);
    this.#done.catch(() => undefined);
  }

  /**
   * Sends a message that is small as it travels and inflates beyond what anybody reads; waits until the broker
   * has it.
   */
  async sendBomb(partition: number): Promise<void> {
    await this.#send([this.#fleet.bomb(partition)], kafkajs.CompressionTypes.GZIP);
  }

  /** Adds a partition to the topic, for clusters to come. Best effort: the broker may be away. */
  async addPartition(): Promise<void> {
    if (this.#fleet.partitions >= mostPartitions) return;
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      const count = this.#fleet.partitions + 1;
      await admin.createPartitions({ topicPartitions: [{ topic: this.#topic, count }] });
      this.#fleet.partitions = count;
    } catch {
      // another time
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  }

  /** Makes no more messages; resolves when all that were made are acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#aborted = true;
    await this.stop().catch(() => undefined);
  }

  async #run(perSecond: number, least: number): Promise<void> {
    const began = performance.now();
    let made = 0;
    while (!this.#stopped || (made < least && !this.#aborted)) {
      await sleep(everyMs);
      const batch: Made[] = [];
      for (
        const due = ((performance.now() - began) / 1_000) * perSecond;
        made < due && batch.length < 500;
        made++
      )
        batch.push(this.#fleet.next());
      if (batch.length > 0) await this.#send(batch);
    }
    await this.#producer?.disconnect();
  }

  #producer: kafkajs.Producer | undefined;

  async #send(batch: Made[], compression = kafkajs.CompressionTypes.None): Promise<void> {
    for (const limit = Date.now() + 180_000; ; ) {
      try {
        if (!this.#producer) {
          this.#producer = this.#kafka.producer({
            createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
          });
          await this.#producer.connect();
        }
        const messages = batch.map(({ id, partition, value }) => ({
          partition,
          value,
          headers: { [idHeader]: id },
        }));
        const answers = await this.#producer.send({
          topic: this.#topic,
          messages,
          acks: -1,
          compression,
        });
        // kafkajs leaves out messages for a partition that was added and that it does not know yet
        const known = new Set(answers.map(({ partition }) => partition));
        if (batch.some(({ partition }) => !known.has(partition))) throw new Error("not all of it was sent");
        for (const { partition, baseOffset } of answers) {
          const count = batch.filter((made) => made.partition === partition).length;
          this.ends.set(partition, Number(baseOffset) + count);
        }
        for (const { id } of batch) this.acknowledged.add(id);
        return;
      } catch (error) {
        if (this.#aborted || Date.now() > limit) throw error;
        await this.#producer?.disconnect().catch(() => undefined);
        this.#producer = undefined;
        await sleep(200);
      }
    }
  }
}
