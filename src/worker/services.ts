import type { Pool } from "pg";
import type { Logger } from "pino";
import type { ContentTexts } from "../content/render/texts.ts";
import type { ContentSource } from "../content/source/fetch.ts";
import type { Target } from "../deliver/target.ts";
import type { DeadLetters } from "../ingest/dead_letters.ts";

/** What the tasks work with. */
export type Services = {
  pool: Pool;
  log: Logger;
  /** How many decisions may be under way at the same time. */
  deciders: number;
  contentTexts: ContentTexts;
  notificationsBackend: Target;
  /** Undefined where this process is not configured for it: its notifications wait for one that is. */
  serviceLog: Target | undefined;
  /** Undefined where this process is not configured for it: content is then loaded from folders, or by another process. */
  contentSource: ContentSource | undefined;
  /** Undefined where this process is not configured for it: rejected messages are then only in the database. */
  deadLetters: DeadLetters | undefined;
};

let current: Services | undefined;

/** graphile-worker calls a task with nothing of ours, so the process keeps its services here while the worker runs. */
export function setServices(services: Services | undefined): void {
  current = services;
}

/** @throws Error when no worker runs in this process. */
export function services(): Services {
  if (!current) throw new Error("a task was called outside of a running worker");
  return current;
}
