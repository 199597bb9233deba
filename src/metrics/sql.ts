import { z } from "zod";
import { type Db, rowOf, rowsOf } from "../db/rows.ts";

const sample = z.object({
  name: z.string(),
  help: z.string(),
  labels: z.record(z.string(), z.string()),
  value: z.number(),
});

/** One sample of what describes the database, ready for Prometheus. */
export type Sample = z.infer<typeof sample>;

/** All samples of the views metrics_*; those of a view that cannot be read are missing. */
export const collectMetrics = (db: Db): Promise<Sample[]> =>
  rowsOf(db, sample, "select name, help, labels, value from ccx.collect_metrics()");

const times = z.object({
  seen_seconds: z.number(),
  decided_seconds: z.number(),
  traceparent: z.string().nullable(),
});

/** How long those of these messages that were sent took, since the report arrived and since the decision. */
export const deliveryTimes = (db: Db, ids: readonly string[]): Promise<z.infer<typeof times>[]> =>
  rowsOf(
    db,
    times,
    {
      name: "delivery_times",
      text: "select seen_seconds, decided_seconds, traceparent from ccx.delivery_times($1::bigint[])",
    },
    [ids],
  );

const offset = z.object({ partition: z.string(), next_offset: z.number() });

/** How far each partition of a topic has been consumed into the database. */
export const consumed = (db: Db, topic: string): Promise<z.infer<typeof offset>[]> =>
  rowsOf(db, offset, "select partition, next_offset from metrics_consumer where topic = $1", [topic]);

const archive = z.object({ archive_id: z.string() });

/** Whether archives are uploaded to us, as far as some are remembered. */
export const hasUploads = async (db: Db): Promise<boolean> =>
  (await rowsOf(db, archive, "select archive_id from archives limit 1")).length > 0;

const content = z.object({ rules_in_force: z.number() });

/** How many rules have content in force. */
export const contentInForce = (db: Db): Promise<z.infer<typeof content>[]> =>
  rowsOf(db, content, "select rules_in_force from metrics_content");

const finding = z.object({
  severity: z.enum(["error", "warning"]),
  topic: z.string(),
  finding: z.string(),
  meaning: z.string(),
  what_to_do: z.string(),
});

/** What somebody should look at. */
export type Finding = z.infer<typeof finding>;

/** The findings of the view doctor. */
export const doctor = (db: Db): Promise<Finding[]> =>
  rowsOf(db, finding, "select severity, topic, finding, meaning, what_to_do from doctor");

const differing = z.object({ what: z.string(), cluster: z.string(), detail: z.string() });

/** At most three rows of the view drift, which is empty unless something is wrong. */
export const drift = (db: Db): Promise<z.infer<typeof differing>[]> =>
  rowsOf(db, differing, "select what, cluster, detail from drift limit 3");

const clock = z.object({ at: z.string() });

/** The clock of the database. */
export const databaseClock = (db: Db): Promise<z.infer<typeof clock>[]> =>
  rowsOf(db, clock, "select clock_timestamp() as at");

const session = z.object({ pid: z.number() });

/** The number of the server process that answers. */
export const sessionOf = async (db: Db): Promise<number> =>
  (await rowOf(db, session, "select pg_backend_pid() as pid")).pid;
