import type { Kafka } from "kafkajs";
import type { Pool } from "pg";
import type { Logger } from "pino";
import type { Config } from "../config/config.ts";

/**
 * What a process does: make results of uploads, take results in, decide and deliver, serve people and
 * programs, or all of it. `forward` is the small part of `work` that a consumer without a worker has beside
 * it.
 */
export type Role = "analyze" | "consume" | "forward" | "work" | "serve";

/** What the parts of a process share. */
export type Parts = {
  roles: readonly Role[];
  config: Config & { readonly databaseUrl: string; readonly kafkaBrokers: readonly string[] };
  pool: Pool;
  kafka: Kafka;
  log: Logger;
  /** Once it is aborted, each part finishes what it has in hand. */
  signal: AbortSignal;
};
