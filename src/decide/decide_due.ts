import type { Pool } from "pg";
import type { Logger } from "pino";
import { isWorkToBlame } from "../db/errors.ts";
import { whileMigrated } from "../db/wait.ts";
import { messageOf } from "../errors.ts";
import { endSpan, inSpan, isTracing, startSpan } from "../trace/trace.ts";
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
      const batch = await inSpan("decide batch", {}, async () => {
        const decided = await whileMigrated(() => decideBatch(pool, log));
        if (decided.clusters === 0) return decided;
        const ms = Math.round(performance.now() - began);
        countDecided(decided, ms);
        log.info({ ...decided, decisions: undefined, traced: undefined, ms }, "decided");
        traceMessages(decided, ms);
        return decided;
      });
      if (batch.clusters === 0) return;
      // a few clusters are not worth a second transaction
      if (batch.clusters === batchSize && running.length < deciders) start();
    }
  };
  start();
  // those that were started meanwhile are waited for, too
  for (const decider of running) await decider;
  if (failures.length > 0) throw failures[0];
}

/** A decision is made for many clusters at once: each message that it queued has it in its own trace, too. */
function traceMessages({ traced }: sql.Decided, ms: number): void {
  if (!isTracing()) return;
  const startTime = Date.now() - ms;
  for (const { id, traceparent } of traced ?? [])
    endSpan(startSpan("decide", { parent: traceparent, startTime, attributes: { "ccx.notification": id } }));
}

/** So many in a row that fail, and none that succeeds: then it is no cluster that is to blame. */
const mostInARow = 10;

/**
 * Decides for a batch. When that fails through the work itself (a constraint or trigger, a timeout, a fault
 * of ours), the clusters that wait longest are halved until those are found for which it does, and these are
 * put aside. Rejects with what `pg` throws when the server is in trouble, or when it fails for everybody.
 */
async function decideBatch(pool: Pool, log: Logger): Promise<sql.Decided> {
  try {
    return await sql.decideDue(pool, batchSize);
  } catch (error) {
    if (!isWorkToBlame(error)) throw error;
    // those of a request begin to wait within the decision that failed, so for themselves now
    await sql.expandRequests(pool, batchSize);
    const clusters = await sql.waitingClusters(pool, batchSize);
    if (clusters.length === 0) throw error;
    const total: sql.Decided = {
      clusters: 0,
      notifications: 0,
      notified: 0,
      held: 0,
      decisions: [],
      traced: [],
    };
    let inARow = 0;
    const halve = async (some: sql.Waiting[]): Promise<void> => {
      try {
        const part = await sql.decideFor(pool, some);
        for (const name of ["clusters", "notifications", "notified", "held"] as const)
          total[name] += part[name];
        total.decisions.push(...part.decisions);
        total.traced?.push(...(part.traced ?? []));
        if (part.clusters > 0) inARow = 0;
      } catch (error) {
        if (!isWorkToBlame(error)) throw error;
        const [cluster] = some;
        if (some.length === 1 && cluster) {
          const tries = await sql.putAside(pool, cluster, messageOf(error));
          log.error({ ...cluster, tries, err: error }, "the decision for a cluster fails, it is put aside");
          total.clusters += 1;
          if (++inARow >= mostInARow) throw error;
        } else {
          const middle = some.length >> 1;
          await halve(some.slice(0, middle));
          await halve(some.slice(middle));
        }
      }
    };
    await halve(clusters);
    return total;
  }
}
