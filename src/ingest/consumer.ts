import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from "kafkajs";
import type { DatabaseError, Pool } from "pg";
import type { Logger } from "pino";
import { asConfigurationError, codeOf, isDatabaseUnavailable } from "../db/errors.ts";
import { backoffMs } from "../db/wait.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import { kafkaConfigurationError } from "../kafka/kafka_errors.ts";
import { ingestBatch, topicRecreated } from "./ingest_batch.ts";

const heartbeatMs = 3_000;
/** One call carries at most this much, so that memory stays flat whatever the broker hands over. */
const mostBytes = 8 * 1024 * 1024;

export type ResultsConsumerOptions = {
  kafka: Kafka;
  pool: Pool;
  log: Logger;
  topic: string;
  group: string;
  /** Most messages in one call of ingest(). */
  batchSize: number;
};

/**
 * Consumes results into the database. The database says how far we are (consumer_offset); what is committed to Kafka
 * follows it and is only where a newcomer of the group begins to read.
 */
export class ResultsConsumer {
  readonly #options: ResultsConsumerOptions;
  readonly #consumer: Consumer;
  readonly #failed = Promise.withResolvers<never>();
  #starting: Promise<void> | undefined;
  #stopping = false;

  constructor(options: ResultsConsumerOptions) {
    this.#options = options;
    this.#consumer = options.kafka.consumer({
      groupId: options.group,
      sessionTimeout: 30_000,
      heartbeatInterval: heartbeatMs,
      maxBytesPerPartition: 4 * 1024 * 1024,
      minBytes: 1,
      maxWaitTimeInMs: 500,
      allowAutoTopicCreation: false,
      retry: {
        retries: 5,
        initialRetryTime: 300,
        maxRetryTime: 10_000,
        // a join that our stop cut off fails like any other: kafkajs would begin anew
        restartOnFailure: async () => !this.#stopping,
      },
    });
    this.#consumer.on("consumer.crash", ({ payload }) => {
      // kafkajs restarts by itself after what it takes for passing; otherwise it would sit there doing nothing
      if (!payload.restart) this.#failed.reject(kafkaConfigurationError(payload.error) ?? payload.error);
    });
    this.#failed.promise.catch(() => undefined);
  }

  /** Rejects when the consumer has given up; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Resolves once it consumes. A topic that does not exist yet, or brokers that are away, are waited for. */
  async start(signal: AbortSignal): Promise<void> {
    this.#starting = this.#start(signal).finally(() => {
      this.#starting = undefined;
    });
    await this.#starting;
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { topic, log } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#consumer.connect();
        await this.#consumer.subscribe({ topic, fromBeginning: true });
        break;
      } catch (error) {
        const wrong = kafkaConfigurationError(error);
        if (wrong || signal.aborted) throw wrong ?? error;
        log.warn({ topic, error: messageOf(error) }, "results cannot be consumed yet, trying again");
        await sleep(backoffMs(attempt), undefined, { signal });
      }
    }
    if (this.#stopping) return;
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 2,
      eachBatch: (payload) => this.#consume(payload),
    });
  }

  /** Finishes the call that is under way and leaves the group. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (;;) {
      const starting = this.#starting;
      await this.#consumer.disconnect();
      if (!starting) return;
      // kafkajs goes on with connecting and joining, on new connections: cut off those as well, until it gives up
      await Promise.race([starting.catch(() => undefined), sleep(100)]);
    }
  }

  async #consume(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    for (const messages of this.#portions(batch.messages)) {
      if (!payload.isRunning() || payload.isStale() || this.#stopping) return;
      const stored = await this.#store(payload, messages);
      if (!stored) return;
      const last = messages.at(-1)?.offset ?? batch.lastOffset();
      payload.resolveOffset(last);
      const next = (BigInt(last) + 1n).toString();
      await payload.commitOffsetsIfNecessary({
        topics: [{ topic: batch.topic, partitions: [{ partition: batch.partition, offset: next }] }],
      });
      await payload.heartbeat();
    }
  }

  /** Tries until the messages are stored; false when we lost the partition or are to stop before that. */
  async #store(payload: EachBatchPayload, messages: KafkaMessage[]): Promise<boolean> {
    const { pool, log } = this.#options;
    const { topic, partition, highWatermark } = payload.batch;
    const position = { topic, partition, first: messages[0]?.offset, last: messages.at(-1)?.offset };
    for (let attempt = 1; ; attempt++) {
      const start = performance.now();
      try {
        const counts = await this.#alive(
          payload,
          ingestBatch(pool, { topic, partition, highWatermark, messages }),
        );
        log.info({ ...position, ...counts, ms: Math.round(performance.now() - start) }, "ingested");
        return true;
      } catch (error) {
        if (codeOf(error) === topicRecreated) {
          const { hint } = error as DatabaseError;
          this.#giveUp(new ConfigurationError(`${messageOf(error)}; ${hint}`, { cause: error }));
        }
        const wrong = asConfigurationError(error);
        if (wrong) this.#giveUp(wrong);
        if (!isDatabaseUnavailable(error)) throw error;
        const waitMs = backoffMs(attempt);
        log.warn(
          { ...position, error: messageOf(error), waitMs },
          "database is away, nothing is lost, trying again",
        );
        await this.#alive(payload, sleep(waitMs));
        if (!payload.isRunning() || payload.isStale() || this.#stopping) return false;
      }
    }
  }

  #giveUp(error: ConfigurationError): never {
    this.#failed.reject(error);
    throw error;
  }

  /** Keeps our place in the group while something takes its time. A rebalance is thrown, as kafkajs wants it. */
  async #alive<T>(payload: EachBatchPayload, work: Promise<T>): Promise<T> {
    const done = new AbortController();
    const beat = async () => {
      while (!done.signal.aborted) {
        await sleep(heartbeatMs, undefined, { signal: done.signal });
        await payload.heartbeat();
      }
      return work;
    };
    try {
      return await Promise.race([
        work,
        beat().catch((error) => (done.signal.aborted ? work : Promise.reject(error))),
      ]);
    } finally {
      done.abort();
    }
  }

  *#portions(messages: KafkaMessage[]): Generator<KafkaMessage[]> {
    let portion: KafkaMessage[] = [];
    let bytes = 0;
    for (const message of messages) {
      const size = message.value?.length ?? 0;
      if (portion.length > 0 && (portion.length >= this.#options.batchSize || bytes + size > mostBytes)) {
        yield portion;
        portion = [];
        bytes = 0;
      }
      portion.push(message);
      bytes += size;
    }
    if (portion.length > 0) yield portion;
  }
}
