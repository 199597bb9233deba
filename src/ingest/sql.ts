import { z } from "zod";
import { call, type Db, rowOf, rowsOf } from "../db/rows.ts";
import { type RejectedFilter, type RejectedMessage, rejectedMessage, valuesOf } from "./rejected.ts";

const ingested = z.object({
  stored: z.number(),
  replaced: z.number(),
  unchanged: z.number(),
  rejected: z.number(),
  skipped: z.number(),
  elsewhere: z.number(),
});

/**
 * How many messages of a batch were new, replaced, known already (of workloads: also older than what is
 * known), refused, already consumed before, and for other cells.
 */
export type Ingested = z.infer<typeof ingested>;

const clock = z.object({ clock: z.string() });

export type Position = {
  topic: string;
  partition: number;
  /**
   * The partition's end as the broker gave it; before the offset we expect next, the topic was created anew.
   */
  highWatermark: string;
  /** Where the caller's last batch of the partition ended; null on its first. */
  expectedOffset?: string | null | undefined;
  /**
   * How long decisions may wait for the rest of the partition (an interval); null: nothing is known to
   * follow.
   */
  decideWithin?: string | null | undefined;
  /** The offset after the portion, whose last messages may be left out as they are for other cells. */
  portionEnd?: string | undefined;
};

/** SQLSTATE that `ingest` raises for a topic that was created anew. */
export const topicRecreated = "NTI01";

/**
 * SQLSTATE that `ingest` raises when the database is behind the offset that is expected: it lost something.
 */
export const databaseBehind = "NTI02";

/** SQLSTATE that `ingest` raises when a hash that came with a report is not that of its hits. */
export const wrongHash = "NTI05";

/**
 * Stores a batch of one partition, a JSON array, and moves its offset, in one transaction. Rejects with
 * SQLSTATE `topicRecreated`, `databaseBehind` or `wrongHash`, and with what `troubleOf` tells apart.
 */
export const ingest = (db: Db, position: Position, batch: string): Promise<Ingested> =>
  rowOf(
    db,
    ingested,
    {
      name: "ingest",
      text: `select stored, replaced, unchanged, rejected, skipped, elsewhere
             from ccx.ingest($1, $2, $3::jsonb, $4, expected_offset => $5, decide_within => $6::interval,
               portion_end => $7)`,
    },
    [
      ...[position.topic, position.partition, batch, position.highWatermark],
      ...[position.expectedOffset, position.decideWithin, position.portionEnd],
    ],
  );

/** The same for a topic of workloads, on which no decision waits. */
export const ingestWorkloads = (db: Db, position: Position, batch: string): Promise<Ingested> =>
  rowOf(
    db,
    ingested,
    {
      name: "ingest_workloads",
      text: `select stored, replaced, unchanged, rejected, skipped, elsewhere
             from ccx.ingest_workloads($1, $2, $3::jsonb, $4, expected_offset => $5, portion_end => $6)`,
    },
    [
      ...[position.topic, position.partition, batch, position.highWatermark],
      ...[position.expectedOffset, position.portionEnd],
    ],
  );

/** What time it is for the database: ISO 8601. */
export const databaseTime = async (db: Db): Promise<string> =>
  (await rowOf(db, clock, "select clock_timestamp() as clock")).clock;

const offset = z.object({ next_offset: z.coerce.bigint() });

/** The first offset of a partition that is not stored yet; 0 for one that was never consumed. */
export async function nextOffset(db: Db, topic: string, partition: number): Promise<bigint> {
  const sql = "select next_offset from consumer_offset where topic = $1 and partition = $2";
  const [row] = await rowsOf(db, offset, sql, [topic, partition]);
  return row?.next_offset ?? 0n;
}

/**
 * Takes rejected messages that have to go to the dead-letter topic, in no order: at most `batchSize`, at most
 * `maxBytes` together. They are due again when the lease (an interval) ends.
 */
export const claimDeadLetters = (
  db: Db,
  batchSize: number,
  maxBytes: number,
  lease: string,
): Promise<RejectedMessage[]> =>
  rowsOf(db, rejectedMessage, "select * from ccx.claim_dead_letters($1, $2, $3)", [
    ...[batchSize, maxBytes, lease],
  ]);

/** Records that these are out, or (an error) that the topic refuses them for good. */
export const settleDeadLetters = (db: Db, ids: readonly string[], error: string | null): Promise<void> =>
  call(db, "select ccx.settle_dead_letters($1::bigint[], $2)", [ids, error]);

const due = z.object({ ids: z.array(z.string()) });

/** Numbers of rejected messages that the service is to try again now. */
export const dueRejected = async (db: Db, batchSize: number): Promise<string[]> =>
  (await rowOf(db, due, "select ccx.due_rejected($1) as ids", [batchSize])).ids;

const newest = z.object({ id: z.string() });

/** The number of the newest rejected message; "0" when there is none. */
export const newestRejected = async (db: Db): Promise<string> =>
  (await rowOf(db, newest, "select ccx.newest_rejected() as id")).id;

const toRetry = rejectedMessage.pick({ id: true, stream: true, kafka_offset: true, value: true });

/** What a retry reads of a rejected message. */
export type ToRetry = z.infer<typeof toRetry>;

/** The next rejected messages that no retry has stored, after one number up to another, in their order. */
export const nextRejected = (
  db: Db,
  { after, last, batchSize, maxBytes }: { after: string; last: string; batchSize: number; maxBytes: number },
  filter: RejectedFilter,
): Promise<ToRetry[]> =>
  rowsOf(
    db,
    toRetry,
    `select id, stream, kafka_offset, value
     from ccx.next_rejected($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [after, last, batchSize, maxBytes, ...valuesOf(filter)],
  );

const retried = z.object({
  stored: z.number(),
  replaced: z.number(),
  unchanged: z.number(),
  rejected: z.number(),
  done_already: z.number(),
});

/**
 * How many messages are new reports now, replaced one, were known, are still rejected, or were stored by
 * another retry.
 */
export type Retried = z.infer<typeof retried>;

/** Stores those of a batch (a JSON array, each element with the id of its message) that conform by now. */
export const retryRejected = (db: Db, batch: string): Promise<Retried> =>
  rowOf(
    db,
    retried,
    "select stored, replaced, unchanged, rejected, done_already from ccx.retry_rejected($1::jsonb)",
    [batch],
  );
