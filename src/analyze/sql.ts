import { z } from "zod";
import { type AnyRow, anyRow, type Db, rowOf, rowsOf } from "../db/rows.ts";

/** SQLSTATE for a database that is behind the offset that is expected: it lost something. */
export const databaseBehind = "NTI02";
/** SQLSTATE for a topic that was created anew. */
export const topicRecreated = "NTI01";
/** SQLSTATE for a user that has no role to run rules as. */
export const noRole = "NTY01";

const taken = z.object({ taken: z.number(), known: z.number(), dead: z.number(), skipped: z.number() });

/** How many announcements of a batch were new, known already, do not conform, or are for other services. */
export type Taken = z.infer<typeof taken>;

export type Position = {
  topic: string;
  partition: number;
  /** The partition's end as the broker gave it. */
  highWatermark: string;
  /** Where the caller's last batch of the partition ended; null on its first. */
  expectedOffset: string | null;
};

/** Stores a batch of announcements, a JSON array, and moves the offset, in one transaction. */
export const takeAnnouncements = (db: Db, position: Position, batch: string): Promise<Taken> =>
  rowOf(
    db,
    taken,
    `select taken, known, dead, skipped
     from ccx.take_announcements($1, $2, $3::jsonb, $4, expected_offset => $5)`,
    [position.topic, position.partition, batch, position.highWatermark, position.expectedOffset],
  );

const offset = z.object({ next_offset: z.coerce.bigint() });

/** The first offset of a partition that is not stored yet; 0 for one that was never consumed. */
export async function nextOffset(db: Db, topic: string, partition: number): Promise<bigint> {
  const sql = "select next_offset from consumer_offset where topic = $1 and partition = $2";
  const [row] = await rowsOf(db, offset, sql, [topic, partition]);
  return row?.next_offset ?? 0n;
}

const rules = z.object({ version: z.string(), rules: z.number(), reads: z.array(z.string()) });

/** The SQL rules that run: a text that changes with them, how many they are, and which files they read. */
export const rulesInForce = (db: Db): Promise<z.infer<typeof rules>> =>
  rowOf(db, rules, "select version, rules, reads from ccx.rules_in_force()");

const job = z.object({
  id: z.string(),
  attempt: z.number(),
  url: z.string(),
  request_id: z.string(),
  keep: z.boolean(),
  rules_version: z.string(),
  traceparent: z.string().nullable(),
});

/** An archive that is ours for the length of the lease. */
export type Job = z.infer<typeof job>;

/** Takes archives that are due: at most `most`, under a lease (an interval). */
export const claimAnalyses = (
  db: Db,
  given: { most: number; lease: string; hasPython: boolean; keepPerHour: number },
): Promise<Job[]> =>
  rowsOf(
    db,
    job,
    {
      name: "claim_analyses",
      text: `select id, attempt, url, request_id, keep, rules_version, traceparent
             from ccx.claim_analyses($1, $2, $3, $4)`,
    },
    [given.most, given.lease, given.hasPython, given.keepPerHour],
  );

const own = z.object({ store: z.string(), object_key: z.string() });

/** Where an archive is that our own ingress has taken, and that is kept. */
export type OwnArchive = z.infer<typeof own>;

/** The archive of an analysis; undefined: another ingress has it, or it is gone. */
export const ownArchive = async (db: Db, id: string): Promise<OwnArchive | undefined> => {
  return (await rowsOf(db, own, "select store, object_key from ccx.own_archive($1)", [id]))[0];
};

const verdict = z.object({ state: z.string().nullable() });

/**
 * Records a failed attempt, or (null) gives it back; says whether it waits or is dead, null: neither is ours.
 */
export const failAnalysis = async (
  db: Db,
  { id, attempt }: Job,
  failure: string | null,
  error: string | null,
): Promise<string | null> =>
  (
    await rowOf(db, verdict, "select ccx.fail_analysis($1, $2, $3, $4) as state", [
      ...[id, attempt, failure, error],
    ])
  ).state;

const analyzed = z.object({
  state: z.enum(["analyzed", "waiting", "dead", "lost", "rules_changed"]),
  failure: z.string().nullable(),
  error: z.string().nullable(),
  cluster: z.string().nullable(),
  hits: z.number().nullable(),
  failed: z.number().nullable(),
  message: z.string().nullable(),
});
export type Analyzed = z.infer<typeof analyzed>;

/** A rule that is left out of a run, and why. */
export type LeftOut = { rule: string; reason: string; detail: string };

export type Unpacked = {
  configId: string | null;
  paths: string[];
  bodies: string[];
  facts: { bytes: number; entries: number; downloaded_at: string };
};

/**
 * Runs the SQL rules on an archive, and puts the result into the outbox. Rejects with 57014 if it takes too
 * long.
 */
export const analyzeArchive = (
  db: Db,
  { id, attempt, keep, rules_version }: Job,
  { configId, paths, bodies, facts }: Unpacked,
  more: { release: string; python: string | null; leftOut: LeftOut[]; lease: string },
): Promise<Analyzed> =>
  rowOf(
    db,
    analyzed,
    {
      name: "analyze_archive",
      text: `select state, failure, error, cluster, hits, failed, message
             from ccx.analyze_archive($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    },
    [
      ...[id, attempt, rules_version, configId, paths, bodies, JSON.stringify(facts), keep, more.release],
      ...[more.python, JSON.stringify(more.leftOut), more.lease],
    ],
  );

const names = z.object({ name: z.string() });

/** The names of the SQL rules that run. */
export const ruleNames = async (db: Db): Promise<string[]> =>
  (await rowsOf(db, names, "select name from ccx.rule_names() order by name")).map(({ name }) => name);

const overload = z.object({ is_overload: z.boolean() });

/** Whether so many slow rules, of so many, say that the machine is overloaded and no rule is to blame. */
export const isOverload = async (db: Db, late: number, all: number): Promise<boolean> =>
  (await rowOf(db, overload, "select ccx.is_overload($1, $2)", [late, all])).is_overload;

/** Reads the files as rules get them, and runs none. Rejects with 57014 if that takes too long. */
export const openFiles = (db: Db, { paths, bodies }: Unpacked): Promise<AnyRow> =>
  rowOf(db, anyRow, "select ccx.open_files($1, $2) as opened", [paths, bodies]);

/** Runs one rule by itself. Rejects with 57014 if that takes too long. */
export const probeRule = (db: Db, rule: string, { paths, bodies }: Unpacked): Promise<AnyRow> =>
  rowOf(db, anyRow, "select reason from ccx.probe_rule($1, $2, $3)", [rule, paths, bodies]);

const result = z.object({
  id: z.string(),
  cluster: z.string(),
  message: z.string(),
  traceparent: z.string().nullable(),
});

/** A result that is to be published. */
export type Result = z.infer<typeof result>;

/** Takes results that are left, at most `most`, under a lease (an interval). */
export const claimResults = (db: Db, most: number, lease: string): Promise<Result[]> =>
  rowsOf(db, result, "select id, cluster, message, traceparent from ccx.claim_results($1, $2)", [
    most,
    lease,
  ]);

const settled = z.object({ published: z.number(), retried: z.number(), dead: z.number() });

/** Records what became of results, a JSON array. */
export const settleResults = (db: Db, results: string, topic: string): Promise<z.infer<typeof settled>> =>
  rowOf(db, settled, "select published, retried, dead from ccx.settle_results($1::jsonb, $2)", [
    ...[results, topic],
  ]);
