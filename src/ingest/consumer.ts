import { setImmediate as otherWork, setTimeout as sleep } from "node:timers/promises";
import type { Consumer, EachBatchPayload, Kafka } from "kafkajs";
import type { DatabaseError, Pool } from "pg";
import type { Logger } from "pino";
import { asConfigurationError, codeOf, isDatabaseUnavailable } from "../db/errors.ts";
import { backoffMs } from "../db/wait.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import { kafkaConfigurationError } from "../kafka/kafka_errors.ts";
import { ingestBatch } from "./ingest_batch.ts";
import { type Entry, portionsOf } from "./portions.ts";
import { Positions } from "./positions.ts";
import { type Ingested, topicRecreated } from "./sql.ts";

const heartbeatMs = 3_000;
/** So many partitions are read, and so many portions stored, at the same time. */
const atATime = 2;

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
  /** The portion of each partition that is being stored, or was stored last; gone where it was given up. */
  readonly #storing = new Map<number, Promise<boolean>>();
  /** Those that have not ended, of all partitions; they do not reject. */
  readonly #underWay = new Set<Promise<void>>();

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
      partitionsConsumedConcurrently: atATime,
      eachBatch: (payload) => this.#consume(payload),
    });
  }

  /** Finishes the calls that are under way and leaves the group. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#underWay);
    for (;;) {
      const starting = this.#starting;
      await this.#consumer.disconnect();
      if (!starting) return;
      // kafkajs goes on with connecting and joining, on new connections: cut off those as well, until it gives up
      await Promise.race([starting.catch(() => undefined), sleep(100)]);
    }
  }

  /**
   * Stores a batch, in portions one after the other. The last one may still be under way when this ends: while the database stores a
   * portion, the next one is fetched and read. What comes after it is stored only once it is; should it be given up, what Kafka hands
   * over next is compared with the database, and the partition read again from there.
   */
  async #consume(payload: EachBatchPayload): Promise<void> {
    const { messages, partition } = payload.batch;
    if (this.#stopping.signal.aborted) {
      // or kafkajs would fetch the same again and again until the stop goes on
      await Promise.all(this.#underWay);
      return;
    }
    let isFirst = true;
    for (const entries of portionsOf(messages, this.#options.batchSize, () => new Date())) {
      const last = entries.at(-1)?.message.offset;
      if (last === undefined || !(await this.#alive(payload, this.#storing.get(partition) ?? true))) return;
      if (isFirst && !(await this.#inPosition(payload))) return;
      isFirst = false;
      while (this.#underWay.size >= atATime) await this.#alive(payload, Promise.race(this.#underWay));
      if (!this.#owns(payload)) return;
      this.#begin(payload, entries);
      payload.resolveOffset(last);
      await payload.heartbeat();
      // the call has to go out before anything else is read
      await otherWork();
    }
  }

  #begin(payload: EachBatchPayload, entries: Entry[]): void {
    const { partition } = payload.batch;
    const storing = this.#store(payload, entries);
    this.#storing.set(partition, storing);
    const ended = storing
      .catch(() => false) // heard of by whoever stores what comes next
      .then((stored) => {
        this.#underWay.delete(ended);
        if (stored) return;
        this.#positions.forget(partition);
        this.#storing.delete(partition);
      });
    this.#underWay.add(ended);
  }

  #owns(payload: EachBatchPayload): boolean {
    return payload.isRunning() && !payload.isStale() && !this.#stopping.signal.aborted;
  }

  /** False when the partition has to be read again from an earlier offset first, or is not ours any more. */
  async #inPosition(payload: EachBatchPayload): Promise<boolean> {
    const { topic, partition } = payload.batch;
    const first = BigInt(payload.batch.firstOffset() ?? 0);
    const checking = this.#persist(payload, { topic, partition }, () =>
      this.#positions.check(partition, first),
    );
    return (await this.#alive(payload, checking)) === true;
  }

  /**
   * Tries until the messages are stored, and then tells Kafka; false when we lost the partition or are to stop before that. What
   * Kafka does not hear it hears with the next portion, and hands over again until then.
   */
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
        // what the broker said with the batch may be old by now, when another consumer has gone on since
        return { ...(await this.#ingestAgain(payload, entries)), ms: Math.round(performance.now() - start) };
      }
    });
    if (!counts) return false;
    log.info({ ...position, ...counts }, "ingested");
    const offset = (BigInt(last ?? 0) + 1n).toString();
    await payload
      .commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset }] }] })
      .catch((error) => log.debug({ ...position, error: messageOf(error) }, "Kafka has not heard of it yet"));
    return true;
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
        return await work();
      } catch (error) {
        if (codeOf(error) === topicRecreated) {
          const { hint } = error as DatabaseError;
          this.#giveUp(new ConfigurationError(`${messageOf(error)}; ${hint}`, { cause: error }));
        }
        const wrong = asConfigurationError(error);
        if (wrong) this.#giveUp(wrong);
        const waitMs = backoffMs(attempt);
        const context = { ...position, error: messageOf(error), waitMs };
        if (isDatabaseUnavailable(error))
          log.warn(context, "database is away, nothing is lost, trying again");
        else
          log.error(
            { ...context, code: codeOf(error) },
            "messages cannot be stored, nothing is lost, trying again",
          );
        await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        if (!this.#owns(payload)) return undefined;
      }
    }
  }

  #giveUp(error: ConfigurationError): never {
    this.#failed.reject(error);
    throw error;
  }

  /** Keeps our place in the group while something takes its time. A rebalance is thrown, as kafkajs wants it. */
  async #alive<T>(payload: EachBatchPayload, work: T | Promise<T>): Promise<T> {
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
