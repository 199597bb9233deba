import { setImmediate as otherWork, setTimeout as sleep } from "node:timers/promises";
import type { Consumer, EachBatchPayload, Kafka } from "kafkajs";
import type { DatabaseError, Pool } from "pg";
import type { Logger } from "pino";
import type { Owns } from "../cell/cell.ts";
import { type Comparison, compareAfterLoss } from "../db/compare_after_loss.ts";
import { codeOf, isWorkToBlame } from "../db/errors.ts";
import { backoffMs } from "../db/wait.ts";
import { whileAway } from "../db/while_away.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import { createGroupConsumer, heartbeatMs } from "../kafka/group_consumer.ts";
import { isTopicMissing, kafkaConfigurationError } from "../kafka/kafka_errors.ts";
import { keepAlive } from "../kafka/keep_alive.ts";
import { requireOwnGroup } from "../kafka/own_group.ts";
import { Positions } from "../kafka/positions.ts";
import { atEnd } from "../kafka/topic_end.ts";
import { within } from "../kafka/within.ts";
import { inSpan, SpanKind } from "../trace/trace.ts";
import { DatabaseClock } from "./clock.ts";
import { ingestBatch } from "./ingest_batch.ts";
import { countIngested, isProgress } from "./metrics.ts";
import { type Entry, endSpans, leaveOutHashes, portionsOf } from "./portions.ts";
import * as sql from "./sql.ts";
import { defaultAtATime, Storing } from "./storing.ts";
import { type Stream, streams } from "./streams.ts";
import type { PayloadTracker } from "./tracker.ts";

/** After so many failures of the same portion by itself in a row it is halved. */
const mostFailures = 2;

/** What of the time for a stop is kept for leaving the group. */
const leaveWithinMs = 2_000;

export type ResultsConsumerOptions = {
  kafka: Kafka;
  pool: Pool;
  log: Logger;
  topic: string;
  group: string;
  /** The database that it stores into, where no other one may be in the group; undefined: nobody looks. */
  identity?: string | undefined;
  /** What the topic carries; results unless given. */
  stream?: Stream;
  /** How many partitions are read and stored at the same time, each with a connection; two unless given. */
  atATime?: number;
  /** Which messages are for this cell; undefined: all. SQL ingest() keeps no others either. */
  owns?: Owns | undefined;
  /** Most messages in one call of ingest(). */
  batchSize: number;
  /**
   * How long a decision waits at most while more of a partition is known to follow, in milliseconds; 0: it
   * does not wait. Ten minutes unless given.
   */
  catchUpMs?: number;
  /** How long stop() takes at most, in milliseconds; seven seconds unless given. */
  stopWithinMs?: number;
  /** How long a portion takes before it no longer keeps others waiting, in milliseconds. */
  stuckAfterMs?: number;
  /** Gets to know what becomes of each message. */
  tracker?: PayloadTracker | undefined;
};

/**
 * Consumes a topic of results (reports, or what is said of workloads) into the database. The database says
 * how far we are (consumer_offset); what is committed to Kafka follows it. Where Kafka leads all the same
 * (the database was restored, or is another one), the database's offset counts: the first batch of a
 * partition is checked, and the partition is read again from there. Where the database falls behind what we
 * have stored, `ingest()` says so, and the same is done.
 */
export class ResultsConsumer {
  readonly #options: ResultsConsumerOptions;
  readonly #stream: Stream;
  readonly #consumer: Consumer;
  readonly #failed = Promise.withResolvers<never>();
  #starting: Promise<void> | undefined;
  #isLeaving = false;
  /** Whether the hashes of hits go to the database; no longer, once it found one to be wrong. */
  #hashesHold = true;
  readonly #stopping = new AbortController();
  readonly #positions: Positions;
  readonly #clock: DatabaseClock;
  readonly #storing: Storing;
  readonly #comparison: Comparison;

  constructor(options: ResultsConsumerOptions) {
    this.#options = options;
    const { topic, pool, log, stream = streams.results } = options;
    this.#stream = stream;
    this.#consumer = createGroupConsumer({
      ...options,
      stopping: this.#stopping.signal,
      onGivenUp: this.#failed.reject,
    });
    this.#clock = new DatabaseClock(pool, log);
    this.#positions = new Positions({
      ...options,
      nextOffset: (partition) => sql.nextOffset(pool, topic, partition),
      seek: (partition, offset) => {
        if (this.#stopping.signal.aborted) return;
        this.#consumer.seek({ topic, partition, offset: `${offset}` });
      },
    });
    this.#storing = new Storing((partition, isStuck) => {
      if (this.#stopping.signal.aborted) return;
      const partitions = [{ topic, partitions: [partition] }];
      if (isStuck) this.#consumer.pause(partitions);
      else this.#consumer.resume(partitions);
    }, options);
    this.#consumer.on("consumer.group_join", ({ payload }) => {
      void this.#positions.joined(payload.memberAssignment[topic] ?? []);
    });
    this.#comparison = compareAfterLoss(pool, () => this.#positions.compareAll(), {
      ...{ log, context: { topic }, refused: "offsets cannot be compared" },
      signal: this.#stopping.signal,
    });
    this.#consumer.on("consumer.fetch", () => isProgress(stream.name));
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
    const { topic, log, kafka, group, identity } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#consumer.connect();
        if (identity !== undefined) await requireOwnGroup(kafka, group, identity);
        await this.#consumer.subscribe({ topic, fromBeginning: true });
        break;
      } catch (error) {
        const wrong = kafkaConfigurationError(error);
        if (wrong || signal.aborted) throw wrong ?? error;
        const context = { topic, error: messageOf(error) };
        if (isTopicMissing(error)) log.warn(context, `topic ${topic} does not exist: create it`);
        else log.warn(context, `${this.#stream.name} cannot be consumed yet, trying again`);
        await sleep(backoffMs(attempt), undefined, { signal });
      }
    }
    if (this.#stopping.signal.aborted) return;
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: this.#options.atATime ?? defaultAtATime,
      eachBatch: (payload) => this.#consume(payload),
    });
  }

  /**
   * Finishes the calls that are under way and leaves the group, as far as there is time: what hangs is left
   * alone then. A call that was cut off is made again by whoever gets the partition, and a member that could
   * not leave is gone when its session ends.
   */
  async stop(): Promise<void> {
    const { log, stopWithinMs = 7_000 } = this.#options;
    const began = performance.now();
    this.#stopping.abort();
    this.#comparison.end();
    const isStored = await within(stopWithinMs - leaveWithinMs, this.#storing.ended());
    this.#isLeaving = true;
    const hasLeft = await within(stopWithinMs - (performance.now() - began), this.#leave());
    if (!isStored || !hasLeft)
      log.warn({ isStored, hasLeft }, "the consumer did not end in time, going without it; nothing is lost");
  }

  async #leave(): Promise<void> {
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
   * partition read again from there. Where it is stuck, the partition is paused, and what is not resolved
   * here comes again later.
   */
  async #consume(payload: EachBatchPayload): Promise<void> {
    const { messages, partition } = payload.batch;
    if (this.#stopping.signal.aborted) {
      // or kafkajs would fetch the same again and again until the stop goes on
      await this.#storing.ended();
      return;
    }
    if (!(await this.#isFree(payload)) || !(await this.#inPosition(payload))) return;
    for (const entries of portionsOf(messages, this.#options.batchSize, this.#clock.now, this.#stream)) {
      const last = entries.at(-1)?.message.offset;
      if (last === undefined || !(await this.#isFree(payload))) return;
      this.#options.tracker?.received(this.#ours(entries, partition));
      while (!this.#storing.hasRoom) await this.#alive(payload, this.#storing.changed);
      if (!this.#owns(payload)) return;
      this.#storing.begin(
        partition,
        () =>
          inSpan(
            "ingest batch",
            { kind: SpanKind.CONSUMER, parents: entries.map(({ traceparent }) => traceparent) },
            () => this.#store(payload, entries),
          ),
        (given) => this.#positions.forget(given),
      );
      payload.resolveOffset(last);
      await payload.heartbeat();
      // the call has to go out before anything else is read
      await otherWork();
    }
  }

  /** Whether the portion before is stored: false when it was given up, or is stuck. */
  async #isFree(payload: EachBatchPayload): Promise<boolean> {
    const before = this.#storing.of(payload.batch.partition);
    if (!before) return true;
    return this.#alive(payload, Promise.race([before.ended, before.stuck.then(() => false)]));
  }

  /** Those that are for this cell. */
  #ours(entries: Entry[], partition: number): Entry[] {
    const { owns } = this.#options;
    return owns ? entries.filter(({ cluster }) => owns(cluster, partition)) : entries;
  }

  #owns(payload: EachBatchPayload): boolean {
    return payload.isRunning() && !payload.isStale() && !this.#stopping.signal.aborted;
  }

  /** False when the partition has to be read again from an earlier offset first, or is not ours any more. */
  async #inPosition(payload: EachBatchPayload): Promise<boolean> {
    const { topic, partition } = payload.batch;
    const first = BigInt(payload.batch.firstOffset() ?? 0);
    const checking = this.#persist(payload, { topic, partition }, async () => {
      await this.#clock.look();
      return this.#positions.check(partition, first);
    });
    return (await this.#alive(payload, checking)) === true;
  }

  /**
   * Tries until the messages are stored, and then tells Kafka; false when we lost the partition or are to
   * stop before that, or it has to be read again from an earlier offset. What Kafka does not hear it hears
   * with the next portion, and hands over again until then.
   */
  async #store(payload: EachBatchPayload, all: Entry[]): Promise<boolean> {
    const { log } = this.#options;
    const { topic, partition } = payload.batch;
    const [first, last] = [all[0]?.message.offset, all.at(-1)?.message.offset];
    const entries = this.#ours(all, partition);
    const end = BigInt(last ?? 0) + 1n;
    const position = { topic, partition, first, last };
    // once: what is found out meanwhile does not make this portion the next one
    const expectedOffset = this.#positions.expected(partition);
    let failures = 0;
    const counts = await this.#persist(payload, position, async () => {
      const start = performance.now();
      try {
        const isOver = () => failures + 1 >= mostFailures;
        const counts = await this.#withHashes(position, entries, () =>
          this.#ingest(payload, entries, { expectedOffset, end }, isOver),
        );
        const elsewhere = counts.elsewhere + all.length - entries.length;
        return { ...counts, elsewhere, ms: Math.round(performance.now() - start) };
      } catch (error) {
        if (isWorkToBlame(error)) failures++;
        else this.#comparison.start();
        if (codeOf(error) !== sql.databaseBehind) throw error;
        await this.#positions.readAgain(partition);
        return "behind" as const;
      }
    });
    if (!counts || counts === "behind") return false;
    this.#positions.stored(partition, end);
    countIngested(this.#stream.name, entries, counts, counts.ms);
    this.#options.tracker?.ended(entries);
    endSpans(all);
    log.info({ ...position, ...counts }, "ingested");
    if (this.#isLeaving) return true; // kafkajs would connect again
    await payload
      .commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: `${end}` }] }] })
      .catch((error) => log.debug({ ...position, error: messageOf(error) }, "Kafka has not heard of it yet"));
    return true;
  }

  /** Calls `store` once more, without the hashes of the entries, where the database finds one to be wrong. */
  async #withHashes<T>(position: object, entries: Entry[], store: () => Promise<T>): Promise<T> {
    if (!this.#hashesHold) leaveOutHashes(entries);
    try {
      return await store();
    } catch (error) {
      if (codeOf(error) !== sql.wrongHash) throw error;
      this.#hashesHold = false;
      const fault = "a hash of hits is wrong, a fault of this program: the database reads every report now";
      this.#options.log.error({ ...position, error: messageOf(error) }, fault);
      leaveOutHashes(entries);
      return await store();
    }
  }

  /** One try to store a portion. Rejects with what `pg` throws, and ConfigurationError. */
  async #ingest(
    payload: EachBatchPayload,
    entries: Entry[],
    { expectedOffset, end }: { expectedOffset: string | null; end: bigint },
    isOver: () => boolean,
  ): Promise<sql.Ingested> {
    const { kafka, pool, catchUpMs = 600_000 } = this.#options;
    const { topic, partition, highWatermark, messages } = payload.batch;
    const isLast = end > BigInt(messages.at(-1)?.offset ?? 0);
    const hasMore = !isLast || BigInt(payload.batch.offsetLag()) > 0n;
    const position = {
      ...{ topic, partition, expectedOffset },
      decideWithin: hasMore && catchUpMs > 0 ? `${catchUpMs} milliseconds` : null,
      portionEnd: this.#options.owns && `${end}`,
    };
    const patience = { isOver, now: this.#clock.now };
    return await atEnd({
      ...{ kafka, topic, partition, highWatermark },
      isRecreated: (error) => codeOf(error) === sql.topicRecreated,
      signal: this.#stopping.signal,
      work: (end) => ingestBatch(pool, { ...position, highWatermark: end }, entries, patience, this.#stream),
    }).catch(asRecreated);
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
  if (codeOf(error) !== sql.topicRecreated) throw error;
  const { hint } = error as DatabaseError;
  throw new ConfigurationError(`${messageOf(error)}; ${hint}`, { cause: error });
}
