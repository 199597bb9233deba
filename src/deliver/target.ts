import type { Pool } from "pg";
import type { Logger } from "pino";
import type { ClaimedNotification } from "./claimed.ts";
import { claim, type Outcome, type Settled, settle, type TargetName } from "./outbox.ts";

/** A place that notifications go to. */
export interface Target {
  readonly name: TargetName;
  /** How many messages are taken from the outbox at a time. */
  readonly batchSize: number;
  /** How long they stay ours, in milliseconds: longer than sending all of them can take. */
  readonly leaseMs: number;
  /** Sends them and yields an outcome for each, as soon as it is known. Does not throw for a failed delivery. */
  send(rows: ClaimedNotification[]): AsyncIterable<Outcome[]>;
  close(): Promise<void>;
}

/**
 * Delivers until nothing is due any more. The network is used outside of any transaction; a crash between sending and
 * settling makes the message go out again after the lease, with the same id.
 */
export async function deliverDue(
  target: Target,
  pool: Pool,
  log: Logger,
  signal?: AbortSignal,
): Promise<void> {
  while (!signal?.aborted) {
    const start = performance.now();
    const { rows, failed } = await claim(pool, target.name, target.batchSize, target.leaseMs);
    if (rows.length + failed.length === 0) return;
    let total: Settled = { sent: 0, retried: 0, dead: 0 };
    const record = async (outcomes: Outcome[]) => {
      logFailures(target, outcomes, rows, log);
      const settled = await settle(pool, outcomes);
      total = {
        sent: total.sent + settled.sent,
        retried: total.retried + settled.retried,
        dead: total.dead + settled.dead,
      };
    };
    if (failed.length > 0) await record(failed);
    for await (const outcomes of target.send(rows)) await record(outcomes);
    log.info({ target: target.name, ...total, ms: Math.round(performance.now() - start) }, "delivered");
  }
}

function logFailures(target: Target, outcomes: Outcome[], rows: ClaimedNotification[], log: Logger): void {
  for (const outcome of outcomes) {
    if (outcome.sent) continue;
    const row = rows.find(({ id }) => id === outcome.id);
    const { failure, error, permanent, attempt } = outcome;
    log.warn(
      {
        target: target.name,
        org: row?.org_id,
        cluster: row?.cluster,
        messageId: row?.message_id,
        attempt,
        failure,
        error,
      },
      permanent ? "delivery given up" : "delivery failed",
    );
  }
}
