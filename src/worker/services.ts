import type { Pool } from "pg";
import type { Logger } from "pino";
import type { ContentTexts } from "../content/render/texts.ts";
import type { ContentSource } from "../content/source/fetch.ts";
import type { Target } from "../deliver/target.ts";
import type { DeadLetters } from "../ingest/dead_letters.ts";
import type { RegistrySource } from "../results/registry/source.ts";
import type { Announcing } from "../upload/announce.ts";

/** What the tasks work with. */
export type Services = {
  pool: Pool;
  log: Logger;
  /** How many decisions may be under way at the same time. */
  deciders: number;
  contentTexts: ContentTexts;
  notificationsBackend: Target;
  /** Absent where this process is not configured for it: its notifications wait for one that is. */
  serviceLog?: Target | undefined;
  /** Absent where this process is not configured for it: content comes from folders, or another process. */
  contentSource?: ContentSource | undefined;
  /**
   * Absent where this process is not configured for it: the registry of clusters comes from files, by hand, …
   */
  registrySource?: RegistrySource | undefined;
  /** Absent where this process is not configured for it: rejected messages are then only in the database. */
  deadLetters?: DeadLetters | undefined;
  /** The archive store, and how uploads are announced. */
  uploads: Announcing;
};

/** The services of a process that is configured for what not every process has. */
export type ServicesWith<Name extends keyof Services> = Services & {
  [Needed in Name]: NonNullable<Services[Needed]>;
};
