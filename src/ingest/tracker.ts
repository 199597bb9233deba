import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { messageOf } from "../errors.ts";
import type { MessageProducer } from "../kafka/producer.ts";
import { within } from "../kafka/within.ts";
import { countTracked } from "./metrics.ts";
import type { Entry } from "./portions.ts";

/** In one request. */
const batchSize = 500;
/** So many wait while the topic is away; the oldest go first. */
const most = 20_000;
/** How long it waits after a failure. */
const pauseMs = 5_000;
/** How long an end waits for what is left. */
const closeWithinMs = 1_500;

type Status = "received" | "processed" | "success" | "error";

export type PayloadTrackerOptions = {
  producer: MessageProducer;
  topic: string;
  /** the name of this service in its messages */
  service: string;
  log: Logger;
  /** how many wait at most */
  most?: number;
  /** how long it waits after a failure, in milliseconds */
  pauseMs?: number;
};

/**
 * Writes the status of uploads for the payload tracker: `received` once a message is read, `processed` and
 * then `success` or `error` once it is stored or rejected; nothing for one without a request id. Statuses go
 * out in batches, behind the consumer's back: a topic that is away, slow or missing never stops consumption,
 * it costs the oldest statuses.
 */
export class PayloadTracker {
  readonly #options: PayloadTrackerOptions;
  readonly #waiting: string[] = [];
  #sending: Promise<void> | undefined;
  #isClosed = false;
  #isAway = false;

  constructor(options: PayloadTrackerOptions) {
    this.#options = options;
  }

  /** What our checks reject was not received. */
  received(entries: readonly Entry[]): void {
    const date = new Date().toISOString();
    for (const { requestId, reason } of entries)
      if (requestId !== undefined && reason === undefined) this.#add(requestId, "received", date);
    this.#send();
  }

  ended(entries: readonly Entry[]): void {
    const date = new Date().toISOString();
    for (const { requestId, reason, isPutAside } of entries) {
      if (requestId === undefined) continue;
      this.#add(requestId, "processed", date);
      this.#add(requestId, reason === undefined && !isPutAside ? "success" : "error", date);
    }
    this.#send();
  }

  /** Sends what is left, if that does not take long. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#send();
    const isSent = await within(closeWithinMs, this.#sending ?? Promise.resolve());
    if (!isSent) this.#lose(this.#waiting.length);
    await within(closeWithinMs, this.#options.producer.disconnect());
  }

  #add(requestId: string, status: Status, date: string): void {
    const { service, most: limit = most } = this.#options;
    this.#waiting.push(JSON.stringify({ service, request_id: requestId, status, date }));
    if (this.#waiting.length > limit) this.#lose(this.#waiting.length - limit);
  }

  #lose(count: number): void {
    this.#waiting.splice(0, count);
    countTracked("lost", count);
  }

  #send(): void {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
  }

  /** Never rejects. */
  async #sendAll(): Promise<void> {
    const { producer, topic, log, pauseMs: pause = pauseMs } = this.#options;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, batchSize);
      try {
        await producer.send({ topic, acks: -1, messages: batch.map((value) => ({ value })) });
        // those that were lost meanwhile were the oldest: of this batch
        for (const sent of batch) if (this.#waiting[0] === sent) this.#waiting.shift();
        countTracked("sent", batch.length);
        if (this.#isAway) log.info({ topic }, "the payload tracker's topic is back");
        this.#isAway = false;
      } catch (error) {
        if (!this.#isAway)
          log.warn({ topic, error: messageOf(error) }, "the payload tracker's topic is away, statuses wait");
        this.#isAway = true;
        if (this.#isClosed) return;
        await sleep(pause, undefined, { ref: false });
      }
    }
  }
}
