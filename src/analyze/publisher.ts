import type { Pool } from "pg";
import type { Logger } from "pino";
import { whileMigrated } from "../db/wait.ts";
import { messageOf } from "../errors.ts";
import type { MessageProducer } from "../kafka/producer.ts";
import { sendEach } from "../kafka/send_each.ts";
import { endSpan, inSpan, onwards, SpanKind, startSpan } from "../trace/trace.ts";
import { countPublished } from "./metrics.ts";
import * as sql from "./sql.ts";

export type PublisherOptions = { pool: Pool; log: Logger; producer: MessageProducer; topic: string };

/**
 * Puts results on their topic, keyed by their cluster, so that those of one cluster stay in order. What is in
 * hand goes out together. A result that is out and not settled goes out again later, byte by byte the same.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  #waiting: sql.Result[] = [];
  #running: Promise<void> | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** To be published soon. The caller has a lease of them. */
  add(results: readonly sql.Result[]): void {
    if (results.length === 0) return;
    this.#waiting.push(...results);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when nothing is in hand; never rejects. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, 200);
      const parents = batch.map(({ traceparent }) => traceparent ?? undefined);
      await inSpan("publish batch", { parents }, () => this.#publish(batch)).catch((error) =>
        this.#options.log.error(
          { error: messageOf(error), results: batch.length },
          "results are published later",
        ),
      );
    }
  }

  async #publish(batch: readonly sql.Result[]): Promise<void> {
    const { pool, log, producer, topic } = this.#options;
    const sending = batch.map(({ id, cluster, message, traceparent: parent }) => {
      const attributes = { "ccx.cluster": cluster };
      const span = startSpan("publish result", { kind: SpanKind.PRODUCER, parent, attributes });
      const traceparent = onwards(span, parent);
      return {
        id,
        span,
        message: { key: cluster, value: message, ...(traceparent && { headers: { traceparent } }) },
      };
    });
    const messages = new Map(sending.map(({ id, message }) => [id, message]));
    const results = await sendEach(producer, topic, messages);
    for (const { id, span } of sending) {
      const result = results.get(id);
      endSpan(span, result?.ok ? undefined : result?.error.message);
    }
    const outcomes = [...results].map(([id, result]) => {
      if (result.ok) return { id, partition: result.partition, offset: result.offset };
      const { permanent, tooLarge, message } = result.error;
      return { id, permanent, error: message, failure: tooLarge ? "result_too_large" : "result_refused" };
    });
    const settled = await whileMigrated(() => sql.settleResults(pool, JSON.stringify(outcomes), topic));
    countPublished(settled.published);
    if (settled.retried + settled.dead > 0) log.warn({ topic, ...settled }, "not all results were published");
    else log.info({ topic, ...settled }, "results published");
  }
}
