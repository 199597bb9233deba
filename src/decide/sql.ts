import { z } from "zod";
import { call, type Db, rowOf, rowsOf } from "../db/rows.ts";

const decided = z.object({
  clusters: z.number(),
  notifications: z.number(),
  notified: z.number(),
  held: z.number(),
  decisions: z.array(z.object({ target: z.string(), reasons: z.array(z.string()), count: z.number() })),
  traced: z.array(z.object({ id: z.string(), traceparent: z.string() })).nullable(),
});

/**
 * How many clusters a batch had, the messages it queued, the issues it notified and held, its decisions by
 * their reasons, and the traces of those messages whose reports came with one.
 */
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
      text: "select clusters, notifications, notified, held, decisions, traced from ccx.decide_due($1)",
    },
    [batchSize],
  );

const waiting = z.object({ org_id: z.string(), cluster: z.string() });

/** A cluster that waits for a decision. */
export type Waiting = z.infer<typeof waiting>;

/** Lets the next clusters of a request wait for a decision, unless so many wait already. */
export const expandRequests = (db: Db, batchSize: number): Promise<void> =>
  call(db, "select ccx.expand_decision_request($1)", [batchSize]);

/** The clusters that wait longest, at most so many. */
export const waitingClusters = (db: Db, limit: number): Promise<Waiting[]> =>
  rowsOf(db, waiting, "select org_id, cluster from decision_due order by due_at limit $1", [limit]);

/** Decides for these clusters only, as far as they still wait. */
export const decideFor = (db: Db, clusters: Waiting[]): Promise<Decided> =>
  rowOf(
    db,
    decided,
    `select clusters, notifications, notified, held, decisions, traced
     from ccx.decide_due($1, only_orgs => $2, only_clusters => $3)`,
    [clusters.length, clusters.map(({ org_id }) => org_id), clusters.map(({ cluster }) => cluster)],
  );

/** Puts a cluster aside whose decision fails; returns how many tries have failed, 0: it waits no more. */
export const putAside = async (db: Db, { org_id, cluster }: Waiting, reason: string): Promise<number> =>
  (
    await rowOf(db, z.object({ tries: z.number() }), "select ccx.put_aside($1, $2, $3) as tries", [
      org_id,
      cluster,
      reason,
    ])
  ).tries;
