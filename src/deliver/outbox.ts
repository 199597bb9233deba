import type { Pool } from "pg";
import { z } from "zod";
import { whileMigrated } from "../db/wait.ts";
import { DeliveryError, type FailureReason, messageOf } from "../errors.ts";
import { type ClaimedNotification, claimedNotificationSchema, type Unrendered } from "./claimed.ts";
import * as sql from "./sql.ts";

/** The targets, by their name in event_targets. */
export type TargetName = "notifications backend" | "service log";

/** How one delivery ended, as SQL settle_notifications() takes it. */
export type Outcome = { id: string; attempt: number; unrendered?: Unrendered[] } & (
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
): Promise<{ rows: ClaimedNotification[]; failed: Outcome[] }> {
  const rows = await whileMigrated(() => sql.claimNotifications(pool, target, batchSize, leaseMs));
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

/**
 * Records how deliveries ended. A release that is loaded just then does not lose it: they would go out again.
 */
export async function settle(pool: Pool, outcomes: Outcome[]): Promise<sql.Settled> {
  return whileMigrated(() => sql.settleNotifications(pool, JSON.stringify(outcomes)));
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
