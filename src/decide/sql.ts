import { z } from "zod";
import { type Db, rowOf } from "../db/rows.ts";

const decided = z.object({
  clusters: z.number(),
  notifications: z.number(),
  notified: z.number(),
  held: z.number(),
  decisions: z.array(z.object({ target: z.string(), reasons: z.array(z.string()), count: z.number() })),
});

/** How many clusters a batch had, the messages it queued, the issues it notified and held, and its decisions by their reasons. */
export type Decided = z.infer<typeof decided>;

/**
 * Decides for at most `batchSize` clusters that wait, in one transaction; 0 clusters: none waits any more.
 */
export const decideDue = (db: Db, batchSize: number): Promise<Decided> =>
  rowOf(
    db,
    decided,
    {
      name: "decide_due",
      text: "select clusters, notifications, notified, held, decisions from ccx.decide_due($1)",
    },
    [batchSize],
  );
