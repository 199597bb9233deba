import { z } from "zod";
import { type Db, rowOf, rowsOf, uncheckedRowsOf } from "../db/rows.ts";
import { claimedIssueSchema } from "./claimed.ts";

/**
 * Takes messages to a target that are due; for the length of the lease nobody else gets them. The rows are
 * not checked here: one that cannot be understood must not stand in the way of the others (claimed.ts has the
 * schema).
 */
export const claimNotifications = (
  db: Db,
  target: string,
  batchSize: number,
  leaseMs: number,
): Promise<unknown[]> =>
  uncheckedRowsOf(
    db,
    { name: "claim_notifications", text: "select * from ccx.claim_notifications($1, $2, $3::interval)" },
    [target, batchSize, `${leaseMs} ms`],
  );

const settled = z.object({
  sent: z.number(),
  retried: z.number(),
  dead: z.number(),
  circuit: z.enum(["opened", "closed"]).nullable(),
});

/** Counts, and whether the circuit of the target opened or closed by that. */
export type Settled = z.infer<typeof settled>;

const messageIssuesSchema = z.object({
  target: z.string(),
  state: z.string(),
  ended_at: z.string().nullable(),
  resolved: z.boolean(),
  report_is_kept: z.boolean(),
  issues: z.array(claimedIssueSchema).nullable(),
  message_id: z.string(),
  org_id: z.string(),
  account_number: z.string(),
  cluster: z.string(),
  updated_at: z.string(),
  decided_at: z.string(),
  first_tried_at: z.string().nullable(),
});

/** The issues in a message, with what its texts are made from; undefined: there is no such message. */
export const messageIssues = async (
  db: Db,
  id: string,
): Promise<z.infer<typeof messageIssuesSchema> | undefined> =>
  (await rowsOf(db, messageIssuesSchema, "select * from message_issues($1)", [id]))[0];

/** Gives up a message that is out but cannot be settled; false: it is not the caller's any more. */
export const putOutcomeAside = async (
  db: Db,
  { id, attempt }: { id: string; attempt: number },
  reason: string,
): Promise<boolean> =>
  (
    await rowOf(
      db,
      z.object({ done: z.boolean() }),
      { name: "put_outcome_aside", text: "select ccx.put_outcome_aside($1, $2, $3) as done" },
      [id, attempt, reason],
    )
  ).done;

/** Gives up the message that is due first, since it cannot be claimed; returns how many that were. */
export const putDueAside = async (db: Db, target: string, leaseMs: number, reason: string): Promise<number> =>
  (
    await rowOf(
      db,
      z.object({ dead: z.number() }),
      { name: "put_due_aside", text: "select ccx.put_due_aside($1, $2::interval, $3) as dead" },
      [target, `${leaseMs} ms`, reason],
    )
  ).dead;

/** Records how deliveries ended: a JSON array of outcomes (outbox.ts). */
export const settleNotifications = (db: Db, outcomes: string): Promise<Settled> =>
  rowOf(
    db,
    settled,
    {
      name: "settle_notifications",
      text: "select sent, retried, dead, circuit from ccx.settle_notifications($1::jsonb)",
    },
    [outcomes],
  );
