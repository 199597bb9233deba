import { setImmediate as otherWork, setTimeout as sleep } from "node:timers/promises";
import type { Consumer, EachBatchPayload, Kafka } from "kafkajs";
import type { DatabaseError, Pool } from "pg";
import type { Logger } from "pino";
import { codeOf } from "../db/errors.ts";
import { backoffMs } from "../db/wait.ts";
import { whileAway } from "../db/while_away.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import { createGroupConsumer, heartbeatMs } from "../kafka/group_consumer.ts";
import { kafkaConfigurationError } from "../kafka/kafka_errors.ts";
import { keepAlive } from "../kafka/keep_alive.ts";
import { topicEnd } from "../kafka/topic_end.ts";
import { ingestBatch } from "./ingest_batch.ts";
import { countIngested, isProgress } from "./metrics.ts";
import { type Entry, portionsOf } from "./portions.ts";
import { Positions } from "./positions.ts";
import { topicRecreated } from "./sql.ts";

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
 * Consumes results into the database. The database says how far we are (consumer_offset); what is committed
 * to Kafka follows it. Where Kafka leads all the same (the database was restored, or is another one), the
 * database's offset counts: the first batch of a partition is checked, and the partition is read again from
 * there.
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
    this.#consumer = createGroupConsumer({
      ...options,
      stopping: this.#stopping.signal,
      onGivenUp: this.#failed.reject,
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
    this.#consumer.on("consumer.fetch", isProgress);
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
      // kafkajs goes on with connecting and joining, on new connections: cut off those as well, until it
      // gives up
      await Promise.race([starting.catch(() => undefined), sleep(100)]);
    }
  }

  /**
   * Stores a batch, in portions one after the other. The last one may still be under way when this ends:
   * while the database stores a portion, the next one is fetched and read. What comes after it is stored only
   * once it is; should it be given up, what Kafka hands over next is compared with the database, and the
   * partition read again from there.
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
   * Tries until the messages are stored, and then tells Kafka; false when we lost the partition or are to
   * stop before that. What Kafka does not hear it hears with the next portion, and hands over again until
   * then.
   */
  async #store(payload: EachBatchPayload, entries: Entry[]): Promise<boolean> {
    const { kafka, pool, log } = this.#options;
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
        const end = await topicEnd(kafka, topic, partition);
        const counts = await ingestBatch(pool, { topic, partition, highWatermark: end }, entries).catch(
          asRecreated,
        );
        return { ...counts, ms: Math.round(performance.now() - start) };
      }
    });
    if (!counts) return false;
    countIngested(entries, counts, counts.ms);
    log.info({ ...position, ...counts }, "ingested");
    const offset = (BigInt(last ?? 0) + 1n).toString();
    await payload
      .commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset }] }] })
      .catch((error) => log.debug({ ...position, error: messageOf(error) }, "Kafka has not heard of it yet"));
    return true;
  }

  /**
   * Repeats `work` while the database cannot do it; undefined when we lost the partition or are to stop
   * before that.
   */
  async #persist<T>(
    payload: EachBatchPayload,
    context: object,
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    const patience = {
      log: this.#options.log,
      context,
      refused: "messages cannot be stored",
      signal: this.#stopping.signal,
      isWanted: () => this.#owns(payload),
    };
    try {
      return await whileAway(work, patience);
    } catch (error) {
      this.#failed.reject(error);
      throw error;
    }
  }

  #alive<T>(payload: EachBatchPayload, work: T | Promise<T>): Promise<T> {
    return keepAlive(() => payload.heartbeat(), heartbeatMs, work);
  }
}

/** Throws what `ingest()` says about a topic that was created anew as what a person has to settle. */
function asRecreated(error: unknown): never {
  if (codeOf(error) !== topicRecreated) throw error;
  const { hint } = error as DatabaseError;
  throw new ConfigurationError(`${messageOf(error)}; ${hint}`, { cause: error });
}
