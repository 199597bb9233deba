import { setImmediate as otherWork, setTimeout as sleep } from "node:timers/promises";
import type { Consumer, EachBatchPayload, Kafka } from "kafkajs";
import type { DatabaseError, Pool } from "pg";
import type { Logger } from "pino";
import { asConfigurationError, codeOf, isDatabaseUnavailable } from "../db/errors.ts";
import { backoffMs } from "../db/wait.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import { kafkaConfigurationError } from "../kafka/kafka_errors.ts";
import { type Ingested, ingestBatch, topicRecreated } from "./ingest_batch.ts";
import { type Entry, portionsOf } from "./portions.ts";
import { Positions } from "./positions.ts";

const heartbeatMs = 3_000;

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
 * follows it. Where Kafka leads all the same (the database was restored, or is another one), the database's offset
 * counts: the first batch of a partition is checked, and the partition is read again from there.
 */
export class ResultsConsumer {
  readonly #options: ResultsConsumerOptions;
  readonly #consumer: Consumer;
  readonly #failed = Promise.withResolvers<never>();
  #starting: Promise<void> | undefined;
  readonly #stopping = new AbortController();
  readonly #positions: Positions;

  constructor(options: ResultsConsumerOptions) {
    this.#options = options;
    this.#consumer = options.kafka.consumer({
      groupId: options.group,
      sessionTimeout: 30_000,
      heartbeatInterval: heartbeatMs,
      // small, for the memory it takes (npm run bench -- soak); a larger message comes alone
      maxBytesPerPartition: 1024 * 1024,
      maxBytes: 4 * 1024 * 1024,
      minBytes: 1,
      maxWaitTimeInMs: 500,
      allowAutoTopicCreation: false,
      retry: {
        retries: 5,
        initialRetryTime: 300,
        maxRetryTime: 10_000,
        // a join that our stop cut off fails like any other: kafkajs would begin anew
        restartOnFailure: async () => !this.#stopping.signal.aborted,
      },
    });
    this.#consumer.on("consumer.crash", ({ payload }) => {
      // kafkajs restarts by itself after what it takes for passing; otherwise it would sit there doing nothing
      if (!payload.restart) this.#failed.reject(kafkaConfigurationError(payload.error) ?? payload.error);
    });
    this.#positions = new Positions({
      ...options,
      seek: (partition, offset) => {
        if (this.#stopping.signal.aborted) return;
        this.#consumer.seek({ topic: options.topic, partition, offset: `${offset}` });
      },
    });
    this.#consumer.on("consumer.group_join", ({ payload }) => {
      void this.#positions.joined(payload.memberAssignment[options.topic] ?? []);
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
    if (this.#stopping.signal.aborted) return;
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 2,
      eachBatch: (payload) => this.#consume(payload),
    });
  }

  /** Finishes the call that is under way and leaves the group. */
  async stop(): Promise<void> {
    this.#stopping.abort();
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
    if (!(await this.#inPosition(payload))) return;
    const portions = portionsOf(batch.messages, this.#options.batchSize, () => new Date());
    for (let portion = portions.next(); !portion.done; ) {
      const entries = portion.value;
      const last = entries.at(-1)?.message.offset;
      if (last === undefined || !this.#owns(payload)) return;
      const storing = this.#store(payload, entries);
      // while the database stores these, the next ones are read; first the call has to go out
      await otherWork();
      portion = portions.next();
      if (!(await storing)) return;
      payload.resolveOffset(last);
      const next = (BigInt(last) + 1n).toString();
      await payload.commitOffsetsIfNecessary({
        topics: [{ topic: batch.topic, partitions: [{ partition: batch.partition, offset: next }] }],
      });
      await payload.heartbeat();
    }
  }

  #owns(payload: EachBatchPayload): boolean {
    return payload.isRunning() && !payload.isStale() && !this.#stopping.signal.aborted;
  }

  /** False when the partition has to be read again from an earlier offset first, or is not ours any more. */
  async #inPosition(payload: EachBatchPayload): Promise<boolean> {
    const { topic, partition } = payload.batch;
    const first = BigInt(payload.batch.firstOffset() ?? 0);
    const found = await this.#persist(payload, { topic, partition }, () =>
      this.#positions.check(partition, first),
    );
    return found === true;
  }

  /** Tries until the messages are stored; false when we lost the partition or are to stop before that. */
  async #store(payload: EachBatchPayload, entries: Entry[]): Promise<boolean> {
    const { pool, log } = this.#options;
    const { topic, partition, highWatermark } = payload.batch;
    const [first, last] = [entries[0]?.message.offset, entries.at(-1)?.message.offset];
    const position = { topic, partition, first, last };
    const counts = await this.#persist(payload, position, async () => {
      const start = performance.now();
      try {
        const counts = await ingestBatch(pool, { topic, partition, highWatermark }, entries);
        return { ...counts, ms: Math.round(performance.now() - start) };
      } catch (error) {
        if (codeOf(error) !== topicRecreated) throw error;
        // what the broker told with the batch may be old by now, when another consumer has gone on since
        return { ...(await this.#ingestAgain(payload, entries)), ms: Math.round(performance.now() - start) };
      }
    });
    if (counts) log.info({ ...position, ...counts }, "ingested");
    return counts !== undefined;
  }

  async #ingestAgain(payload: EachBatchPayload, entries: Entry[]): Promise<Ingested> {
    const { topic, partition } = payload.batch;
    const admin = this.#options.kafka.admin();
    await admin.connect();
    const ends = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
    const highWatermark = ends.find((end) => end.partition === partition)?.high ?? "0";
    return ingestBatch(this.#options.pool, { topic, partition, highWatermark }, entries);
  }

  /** Repeats `work` while the database cannot do it; undefined when we lost the partition or are to stop before that. */
  async #persist<T>(
    payload: EachBatchPayload,
    position: object,
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    const { log } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#alive(payload, work());
      } catch (error) {
        // of a rebalance kafkajs has to hear
        if (error instanceof Error && error.name.startsWith("KafkaJS")) throw error;
        if (codeOf(error) === topicRecreated) {
          const { hint } = error as DatabaseError;
          this.#giveUp(new ConfigurationError(`${messageOf(error)}; ${hint}`, { cause: error }));
        }
        const wrong = asConfigurationError(error);
        if (wrong) this.#giveUp(wrong);
        const waitMs = backoffMs(attempt);
        const told = { ...position, error: messageOf(error), waitMs };
        if (isDatabaseUnavailable(error)) log.warn(told, "database is away, nothing is lost, trying again");
        else
          log.error(
            { ...told, code: codeOf(error) },
            "messages cannot be stored, nothing is lost, trying again",
          );
        await this.#alive(payload, sleep(waitMs, undefined, { signal: this.#stopping.signal })).catch(
          (cause) => {
            if (!this.#stopping.signal.aborted) throw cause;
          },
        );
        if (!this.#owns(payload)) return undefined;
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
}
