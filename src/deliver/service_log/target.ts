import type { RenderedNotification } from "../claimed.ts";
import { failure, type Outcome, released, success } from "../outbox.ts";
import { startWithinMs, type Target } from "../target.ts";
import type { AccessTokenSource } from "./access_token.ts";
import { notStored, type ServiceLogClient } from "./client.ts";
import { buildServiceLogEntry, type ServiceLogEntryOptions } from "./entry.ts";

/** How many messages are claimed for each post that may be under way. */
const claimedForEach = 16;

/** The texts that its entries have, and the markup they go into. */
export const serviceLogTexts = { texts: ["description", "reason"], format: "markdown" } as const;

/**
 * The Service Log: one entry for an issue, several posts under way at once. Outcomes are handed on as they
 * come: those that come while the ones before are settled are settled together.
 */
export class ServiceLogTarget implements Target {
  readonly name = "service log";
  readonly texts = serviceLogTexts.texts;
  readonly format = serviceLogTexts.format;
  readonly batchSize: number;
  readonly leaseMs: number;
  readonly #concurrency: number;
  readonly #client: ServiceLogClient;
  readonly #tokens: AccessTokenSource;
  readonly #entryOptions: ServiceLogEntryOptions;

  constructor(options: {
    client: ServiceLogClient;
    tokens: AccessTokenSource;
    entry: ServiceLogEntryOptions;
    /** How many posts may be under way at once. */
    concurrency: number;
    timeoutMs: number;
  }) {
    this.#client = options.client;
    this.#tokens = options.tokens;
    this.#entryOptions = options.entry;
    this.#concurrency = options.concurrency;
    this.batchSize = Math.min(500, options.concurrency * claimedForEach);
    // what is started in time: a search, two posts, two tokens
    this.leaseMs = startWithinMs + options.timeoutMs * 6;
  }

  async *send(rows: RenderedNotification[], mayStart: () => boolean): AsyncGenerator<Outcome[]> {
    const waiting = [...rows];
    const ended: Outcome[] = [];
    let news = Promise.withResolvers<void>();
    /** While a failure has not been settled nothing is begun: it may open the circuit. */
    let held: PromiseWithResolvers<void> | undefined;
    const post = async () => {
      for (;;) {
        while (held) await held.promise;
        const row = waiting.shift();
        if (!row) return;
        const outcome = mayStart() ? await this.#deliver(row) : released(row);
        if (isPassing(outcome)) held ??= Promise.withResolvers();
        ended.push(outcome);
        news.resolve();
      }
    };
    for (let n = 0; n < this.#concurrency; n++) void post();
    try {
      for (let left = rows.length; left > 0; ) {
        if (ended.length === 0) await news.promise;
        news = Promise.withResolvers();
        const outcomes = ended.splice(0);
        left -= outcomes.length;
        yield outcomes;
        if (ended.some(isPassing)) continue;
        held?.resolve();
        held = undefined;
      }
    } finally {
      waiting.length = 0;
      held?.resolve();
      held = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.#tokens.close();
  }

  /**
   * The id of the entry, if it is there already; whatever fails in here, it has not been posted this time.
   */
  async #known(messageId: string): Promise<string | null> {
    try {
      return await this.#client.search(messageId);
    } catch (error) {
      throw notStored(error);
    }
  }

  #post(row: RenderedNotification): Promise<{ id: string | null }> {
    return this.#client.post(buildServiceLogEntry(row, this.#entryOptions), row.traceparent);
  }

  async #deliver(row: RenderedNotification): Promise<Outcome> {
    try {
      // The receiver does not recognise a repeated entry. After a first try of which we do not know how it
      // ended, look.
      const known = row.attempt > 1 ? await this.#known(row.message_id) : null;
      const id = known ?? (await this.#post(row)).id;
      return success(row, { entry_id: id });
    } catch (error) {
      return failure(row, error);
    }
  }
}

/** A failure that may not be the message's own: a refusal of the message is only while others get through. */
function isPassing(outcome: Outcome): boolean {
  return !outcome.sent && outcome.failure !== null && (!outcome.permanent || outcome.failure === "client");
}
