import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { z } from "zod";
import { isDatabaseUnavailable, isWorkToBlame, troubleOf } from "../db/errors.ts";
import { whileMigrated } from "../db/wait.ts";
import { DeliveryError, type FailureReason, messageOf } from "../errors.ts";
import {
  type ClaimedNotification,
  claimedNotificationSchema,
  type Doubtful,
  type Unrendered,
} from "./claimed.ts";
import * as sql from "./sql.ts";

/** The targets, by their name in event_targets. */
export type TargetName = "notifications backend" | "service log";

/** How one delivery ended, as SQL settle_notifications() takes it. */
export type Outcome = { id: string; attempt: number; unrendered?: Unrendered[]; doubtful?: Doubtful[] } & (
  | { sent: true; result: Record<string, unknown> }
  | {
      sent: false;
      failure: FailureReason;
      error: string;
      permanent: boolean;
      retry_after_ms: number | null;
      /** The receiver certainly does not have it, so that its promise to recognize the id has not begun. */
      not_stored?: true;
      /** A smaller message might get through. */
      too_large?: true;
      /** False: the message certainly did not go out, so the attempt is given back. */
      tried?: false;
    }
  | { sent: false; failure: null; tried: false }
);

const identitySchema = z.object({ id: z.string(), attempt: z.number() });

/**
 * Takes messages that are due; for the length of the lease nobody else gets them. A row that cannot be
 * understood comes back as the outcome "schema", so that it does not stand in the way of the others.
 */
export async function claim(
  pool: Pool,
  target: TargetName,
  batchSize: number,
  leaseMs: number,
  signal?: AbortSignal,
): Promise<{ rows: ClaimedNotification[]; failed: Outcome[] }> {
  const rows = await claimSome(pool, target, batchSize, leaseMs, signal);
  const claimed = { rows: [] as ClaimedNotification[], failed: [] as Outcome[] };
  for (const row of rows) {
    const parsed = claimedNotificationSchema.safeParse(row);
    if (parsed.success) claimed.rows.push(parsed.data);
    else {
      const error = new DeliveryError("schema", z.prettifyError(parsed.error), { permanent: true });
      claimed.failed.push(untried(failure(identitySchema.parse(row), error)));
    }
  }
  return claimed;
}

/** How often the message that cannot be claimed may be in somebody else's hands. */
const mostMissed = 4;

/**
 * Claims half as many while the database does not get it done. A single message that it cannot claim is given
 * up, visibly, so that it does not stand before all others.
 */
async function claimSome(
  pool: Pool,
  target: TargetName,
  batchSize: number,
  leaseMs: number,
  signal: AbortSignal | undefined,
): Promise<unknown[]> {
  let missed = 0;
  for (let size = batchSize; ; ) {
    try {
      return await whileAway(() => sql.claimNotifications(pool, target, size, leaseMs), signal);
    } catch (error) {
      if (!isWorkToBlame(error)) throw error;
      if (size > 1) size = Math.ceil(size / 2);
      else if (troubleOf(error) === "in_the_way") throw error;
      else {
        const reason = `it cannot be claimed: ${messageOf(error)}`;
        if ((await whileAway(() => sql.putDueAside(pool, target, leaseMs, reason), signal)) > 0)
          size = batchSize;
        // whoever claims at the same time holds it just now
        else if (++missed === mostMissed) throw error;
        else await sleep(missed * 100);
      }
    }
  }
}

/**
 * Records how deliveries ended. Neither an outage of the database nor a release that is loaded just then
 * loses it: they would go out again. What the database cannot record all at once (a statement that takes too
 * long, somebody's constraint) is recorded in halves. A single one that is refused is given up ("unsettled")
 * if it is out, so that it does not go out again; else its lease ends, and it is tried again.
 *
 * @param unsettled called with such a single outcome
 */
export async function settle(
  pool: Pool,
  outcomes: Outcome[],
  signal?: AbortSignal,
  unsettled: (outcome: Outcome, error: unknown) => void = () => undefined,
): Promise<sql.Settled> {
  try {
    return await whileAway(() => sql.settleNotifications(pool, JSON.stringify(outcomes)), signal);
  } catch (error) {
    if (!isWorkToBlame(error)) throw error;
    const [single] = outcomes;
    if (outcomes.length < 2) {
      if (!single) throw error;
      unsettled(single, error);
      const dead = single.sent && (await putAside(pool, single, error, signal)) ? 1 : 0;
      return { sent: 0, retried: 0, dead, circuit: null };
    }
    const half = Math.ceil(outcomes.length / 2);
    const parts = [outcomes.slice(0, half), outcomes.slice(half)].map(
      (part) => () => settle(pool, part, signal, unsettled),
    );
    const settled: PromiseSettledResult<sql.Settled>[] = [];
    for (const part of parts) settled.push(...(await Promise.allSettled([part()])));
    const total: sql.Settled = { sent: 0, retried: 0, dead: 0, circuit: null };
    for (const part of settled) {
      if (part.status === "rejected") throw part.reason;
      for (const count of ["sent", "retried", "dead"] as const) total[count] += part.value[count];
      total.circuit = part.value.circuit ?? total.circuit;
    }
    return total;
  }
}

/** False where the database does not take even that. */
async function putAside(
  pool: Pool,
  outcome: Outcome,
  error: unknown,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const reason = `it is out, and cannot be settled: ${messageOf(error)}`;
  try {
    return await whileAway(() => sql.putOutcomeAside(pool, outcome, reason), signal);
  } catch (refused) {
    if (!isWorkToBlame(refused)) throw refused;
    return false;
  }
}

const awayMs = 250;

/**
 * Repeats `work` until the database answers, or the signal ends the wait. A task that threw instead would be
 * woken by its next job only, up to a minute later, and would not know any more what it has sent.
 */
async function whileAway<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (;;) {
    try {
      return await whileMigrated(work);
    } catch (error) {
      if (!isDatabaseUnavailable(error) || signal?.aborted) throw error;
      await sleep(awayMs, undefined, signal ? { signal } : {}).catch(() => undefined);
    }
  }
}

/** The outcome of a delivery that is out. */
export function success(row: { id: string; attempt: number }, result: Record<string, unknown>): Outcome {
  return { id: row.id, attempt: row.attempt, sent: true, result };
}

/**
 * The outcome of a delivery that failed. What is not a DeliveryError is a fault of ours: it counts as
 * "client" and is tried again, since a new version may put it right before the message is given up.
 */
export function failure(row: { id: string; attempt: number }, error: unknown): Outcome {
  const known = error instanceof DeliveryError ? error : undefined;
  return {
    id: row.id,
    attempt: row.attempt,
    sent: false,
    failure: known?.reason ?? "client",
    error: messageOf(error).replaceAll("\0", "\ufffd").toWellFormed(),
    permanent: known?.permanent ?? false,
    retry_after_ms: known?.retryAfterMs ?? null,
    ...(known?.notStored && { not_stored: true }),
    ...(known?.tooLarge && { too_large: true }),
  };
}

/** The same outcome, of a message that certainly did not go out. */
export function untried(outcome: Outcome): Outcome {
  return outcome.sent ? outcome : { ...outcome, tried: false };
}

/** Nothing was done with it, and nothing is wrong with it: it is due again at once, for whoever claims it. */
export function released(row: { id: string; attempt: number }): Outcome {
  return { id: row.id, attempt: row.attempt, sent: false, failure: null, tried: false };
}
