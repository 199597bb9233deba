import type { AccessTokenSource } from "./access_token.ts";
import { failure, type Outcome, success } from "./outbox.ts";
import type { RenderedNotification } from "./rendered.ts";
import type { ServiceLogClient } from "./service_log.ts";
import { buildServiceLogEntry, type ServiceLogEntryOptions } from "./service_log_entry.ts";
import type { Target } from "./target.ts";

/** The Service Log: one entry for an issue, several posts under way at once, each settled by itself. */
export class ServiceLogTarget implements Target {
  readonly name = "service log";
  readonly texts = ["description", "reason"] as const;
  readonly format = "markdown";
  readonly batchSize: number;
  readonly leaseMs: number;
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
    // All of a claim goes out at once, so the lease only has to outlast one message: a search, two posts, two tokens.
    this.batchSize = options.concurrency;
    this.leaseMs = options.timeoutMs * 6 + 30_000;
  }

  async *send(rows: RenderedNotification[]): AsyncGenerator<Outcome[]> {
    const pending = new Map(rows.map((row) => [row.id, this.#deliver(row)]));
    while (pending.size > 0) {
      const outcome = await Promise.race(pending.values());
      pending.delete(outcome.id);
      yield [outcome];
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.#tokens.close();
  }

  async #deliver(row: RenderedNotification): Promise<Outcome> {
    try {
      // The receiver does not recognise a repeated entry. After a first try of which we do not know how it ended, look.
      const known = row.attempt > 1 ? await this.#client.search(row.message_id) : null;
      const id = known ?? (await this.#client.post(buildServiceLogEntry(row, this.#entryOptions))).id;
      return success(row, { entry_id: id });
    } catch (error) {
      return failure(row, error);
    }
  }
}
