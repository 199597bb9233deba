import type { Pool } from "pg";
import type { Logger } from "pino";
import { whileMigrated } from "../db/wait.ts";
import { countDecided, countFailedDecision } from "./metrics.ts";
import * as sql from "./sql.ts";

const batchSize = 1_000;

/**
 * Decides until no cluster waits any more (SQL decide_due); every batch is a transaction of its own. While
 * batches come out full, as many as `deciders` are under way at the same time: they take different clusters.
 */
export async function decideDue(
  pool: Pool,
  log: Logger,
  { deciders, signal }: { deciders: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const running: Promise<void>[] = [];
  const failures: unknown[] = [];
  const start = () => void running.push(decide().catch(failed));
  const failed = (error: unknown) => {
    countFailedDecision();
    failures.push(error);
  };
  const decide = async (): Promise<void> => {
    while (!signal?.aborted && failures.length === 0) {
      const began = performance.now();
      const batch = await whileMigrated(() => sql.decideDue(pool, batchSize));
      if (batch.clusters === 0) return;
      const ms = Math.round(performance.now() - began);
      countDecided(batch, ms);
      log.info({ ...batch, decisions: undefined, ms }, "decided");
      // a few clusters are not worth a second transaction
      if (batch.clusters === batchSize && running.length < deciders) start();
    }
  };
  start();
  // those that were started meanwhile are waited for, too
  for (const decider of running) await decider;
  if (failures.length > 0) throw failures[0];
}
