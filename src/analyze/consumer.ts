import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from "kafkajs";
import type { DatabaseError, Pool } from "pg";
import type { Logger } from "pino";
import { type Comparison, compareAfterLoss } from "../db/compare_after_loss.ts";
import { codeOf, isUnstorable } from "../db/errors.ts";
import { backoffMs } from "../db/wait.ts";
import { whileAway } from "../db/while_away.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import type { Unreadable } from "../kafka/fetched.ts";
import { createGroupConsumer, heartbeatMs } from "../kafka/group_consumer.ts";
import { isTopicMissing, kafkaConfigurationError } from "../kafka/kafka_errors.ts";
import { keepAlive } from "../kafka/keep_alive.ts";
import { Positions } from "../kafka/positions.ts";
import { atEnd } from "../kafka/topic_end.ts";
import { within } from "../kafka/within.ts";
import { endSpan, incoming, inSpan, onwards, type Span, SpanKind, startSpan } from "../trace/trace.ts";
import { countTaken } from "./metrics.ts";
import * as sql from "./sql.ts";

/** So many announcements go into one call. */
const batchSize = 200;
/** An announcement is some kilobytes; identity and URL are most of it. */
const maxBytes = 256 * 1024;

export type AnnouncementConsumerOptions = {
  kafka: Kafka;
  pool: Pool;
  log: Logger;
  topic: string;
  group: string;
  /** Called when there is something to analyze. */
  onTaken(): void;
};

/**
 * Consumes announcements of uploads into the database, where they are jobs. As with results, the database
 * says how far we are, and what is committed to Kafka follows it.
 */
export class AnnouncementConsumer {
  readonly #options: AnnouncementConsumerOptions;
  readonly #consumer: Consumer;
  readonly #failed = Promise.withResolvers<never>();
  readonly #stopping = new AbortController();
  readonly #positions: Positions;
  readonly #comparison: Comparison;
  #working: Promise<void> = Promise.resolve();

  constructor(options: AnnouncementConsumerOptions) {
    this.#options = options;
    const { topic, pool, log } = options;
    this.#consumer = createGroupConsumer({
      ...options,
      stopping: this.#stopping.signal,
      onGivenUp: this.#failed.reject,
    });
    this.#positions = new Positions({
      ...options,
      nextOffset: (partition) => sql.nextOffset(pool, topic, partition),
      seek: (partition, offset) => {
        if (!this.#stopping.signal.aborted) this.#consumer.seek({ topic, partition, offset: `${offset}` });
      },
    });
    this.#comparison = compareAfterLoss(pool, () => this.#positions.compareAll(), {
      ...{ log, context: { topic }, refused: "offsets cannot be compared" },
      signal: this.#stopping.signal,
    });
    this.#consumer.on("consumer.group_join", ({ payload }) => {
      void this.#positions.joined(payload.memberAssignment[topic] ?? []);
    });
    this.#failed.promise.catch(() => undefined);
  }

  /** Rejects when the consumer has given up; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Consumes from now on, once the topic is there; never rejects (`failed`). */
  async start(): Promise<void> {
    const { topic, log } = this.#options;
    const { signal } = this.#stopping;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#consumer.connect();
        await this.#consumer.subscribe({ topic, fromBeginning: true });
        if (signal.aborted) return;
        await this.#consumer.run({
          autoCommit: false,
          eachBatchAutoResolve: false,
          partitionsConsumedConcurrently: 2,
          eachBatch: (payload) => {
            this.#working = this.#consume(payload);
            return this.#working;
          },
        });
        return;
      } catch (error) {
        if (signal.aborted) return;
        const wrong = kafkaConfigurationError(error);
        if (wrong) return this.#failed.reject(wrong);
        const context = { topic, error: messageOf(error) };
        if (isTopicMissing(error)) log.warn(context, `topic ${topic} does not exist: create it`);
        else log.warn(context, "announcements cannot be consumed yet, trying again");
        await sleep(backoffMs(attempt), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Leaves the group once the call that is under way has ended, as far as there is time. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#comparison.end();
    await within(
      4_000,
      this.#working.catch(() => undefined),
    );
    await within(2_000, this.#consumer.disconnect());
  }

  async #consume(payload: EachBatchPayload): Promise<void> {
    const { messages, partition, topic } = payload.batch;
    const owns = () => payload.isRunning() && !payload.isStale() && !this.#stopping.signal.aborted;
    const patience = {
      log: this.#options.log,
      context: { topic, partition },
      refused: "announcements cannot be stored",
      signal: this.#stopping.signal,
      isWanted: owns,
    };
    const alive = <T>(work: Promise<T>) => keepAlive(() => payload.heartbeat(), heartbeatMs, work);
    try {
      const first = BigInt(payload.batch.firstOffset() ?? 0);
      const inPosition = await alive(whileAway(() => this.#positions.check(partition, first), patience));
      if (!inPosition) return;
      for (let at = 0; at < messages.length; at += batchSize) {
        const portion = messages.slice(at, at + batchSize).map(arrived);
        const last = portion.at(-1)?.message.offset;
        // once: what is found out meanwhile does not make this portion the next one
        const expectedOffset = this.#positions.expected(partition);
        const parents = portion.filter(({ isOurs }) => isOurs).map(({ traceparent }) => traceparent);
        const taken = await inSpan("take batch", { kind: SpanKind.CONSUMER, parents }, async () => {
          const taken = await alive(whileAway(() => this.#take(payload, portion, expectedOffset), patience));
          if (!taken || last === undefined) return undefined;
          this.#positions.stored(partition, BigInt(last) + 1n);
          countTaken(taken);
          this.#options.log.info({ topic, partition, last, ...taken }, "announcements taken");
          return taken;
        });
        for (const { span } of portion) endSpan(span);
        if (!taken || last === undefined) return;
        const end = BigInt(last) + 1n;
        if (taken.taken > 0) this.#options.onTaken();
        payload.resolveOffset(last);
        await payload.heartbeat();
        if (!owns()) return;
        await payload
          .commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: `${end}` }] }] })
          .catch((error) =>
            this.#options.log.debug({ error: messageOf(error) }, "Kafka has not heard of it yet"),
          );
      }
    } catch (error) {
      if (error instanceof ConfigurationError) this.#failed.reject(error);
      throw error;
    }
  }

  /** Undefined when the database is behind, and the partition is read again. */
  async #take(
    payload: EachBatchPayload,
    portion: Arrived[],
    expectedOffset: string | null,
  ): Promise<sql.Taken | undefined> {
    const { topic, partition, highWatermark } = payload.batch;
    const { kafka, pool } = this.#options;
    try {
      return await atEnd({
        ...{ kafka, topic, partition, highWatermark },
        isRecreated: (error) => codeOf(error) === sql.topicRecreated,
        signal: this.#stopping.signal,
        work: (end) => take(pool, { topic, partition, highWatermark: end, expectedOffset }, portion),
      });
    } catch (error) {
      if (codeOf(error) === sql.databaseBehind) {
        await this.#positions.readAgain(partition);
        return undefined;
      }
      if (codeOf(error) !== sql.topicRecreated) throw error;
      const { hint } = error as DatabaseError;
      throw new ConfigurationError(`${messageOf(error)}; ${hint}`, { cause: error });
    }
  }
}

/**
 * Stores a portion; one by one where the database refuses a value, so that it is put aside with its bytes.
 */
async function take(pool: Pool, position: sql.Position, portion: Arrived[]): Promise<sql.Taken> {
  const store = (parts: Arrived[], expectedOffset: string | null, isRefused = false) =>
    sql.takeAnnouncements(
      pool,
      { ...position, expectedOffset },
      `[${parts.map((one) => entryOf(one, isRefused)).join(",")}]`,
    );
  try {
    return await store(portion, position.expectedOffset);
  } catch (error) {
    if (!isUnstorable(error)) throw error;
  }
  const total = { taken: 0, known: 0, dead: 0, skipped: 0 };
  let { expectedOffset } = position;
  for (const one of portion) {
    const stored = await store([one], expectedOffset).catch((error) => {
      if (!isUnstorable(error)) throw error;
      return store([one], expectedOffset, true);
    });
    expectedOffset = `${BigInt(one.message.offset) + 1n}`;
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += stored[name];
  }
  return total;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type Arrived = {
  message: KafkaMessage & { unreadable?: Unreadable };
  service: string | null;
  /** It may be for us; the topic has announcements for other services, too. */
  isOurs: boolean;
  /** The trace that it goes on in: what came with it, or, where we trace, its own span. */
  traceparent: string | undefined;
  span: Span | undefined;
};

function arrived(message: KafkaMessage): Arrived {
  const header = [message.headers?.service].flat()[0];
  const service = header?.toString().replaceAll("\0", "\u{FFFD}").toWellFormed() ?? null;
  const isOurs = service === null || service === "openshift";
  const came = incoming(message.headers);
  const attributes = { "messaging.system": "kafka", "messaging.kafka.offset": message.offset };
  const about = { kind: SpanKind.CONSUMER, parent: came, attributes };
  const span = isOurs ? startSpan("take announcement", about) : undefined;
  return { message, service, isOurs, span, traceparent: onwards(span, came) };
}

/** An element of the batch of take_announcements(), as JSON. */
function entryOf({ message, service, traceparent }: Arrived, isRefused: boolean): string {
  const what = isRefused
    ? { reason: "unreadable", detail: "the database refuses a value in it" }
    : textOf(message);
  const value = "reason" in what ? base64Of(message.value) : null;
  return JSON.stringify({ kafka_offset: message.offset, service, value, traceparent, ...what });
}

const base64Of = (value: Buffer | null): string | null =>
  value?.subarray(0, maxBytes).toString("base64") ?? null;

function textOf({
  value,
  unreadable,
}: KafkaMessage & { unreadable?: Unreadable }): { text: string } | { reason: string; detail: string } {
  if (unreadable) return { reason: "unreadable", detail: unreadable.detail };
  if (value === null) return { reason: "tombstone", detail: "the announcement has no value" };
  if (value.length > maxBytes)
    return { reason: "announcement_too_large", detail: `the announcement has more than ${maxBytes} bytes` };
  try {
    const text = utf8.decode(value);
    if (!text.includes("\0")) return { text };
    return { reason: "not_json", detail: "the announcement has a NUL character" };
  } catch {
    return { reason: "invalid_utf8", detail: "the announcement is not UTF-8" };
  }
}
