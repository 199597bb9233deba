import assert from "node:assert/strict";
import type { Pool, PoolClient } from "pg";

/** What runs SQL: the pool, or a client inside its transaction. */
export type Db = Pool | PoolClient;

export type Row = Record<string, unknown>;

export const notificationsBackend = "notifications backend";
export const serviceLog = "service log";

/** What waits for the commit happens now, since a test's transaction never commits. */
export const wishesBecomeJobs = "set constraints all immediate; set constraints all deferred";

let clusters = 0;

/** A cluster that no other test of the file uses. */
export function aCluster(): string {
  return `00000000-0000-4000-8000-${String(++clusters).padStart(12, "0")}`;
}

export async function rows(db: Db, sql: string, values: unknown[] = []): Promise<Row[]> {
  return (await db.query(sql, values)).rows;
}

/** The first column of the first row. */
export async function value(db: Db, sql: string, values: unknown[] = []): Promise<unknown> {
  return Object.values((await rows(db, sql, values))[0] ?? {})[0];
}

/** `rule|KEY` as a hit of a report; without a key, the key is `KEY`. */
function aHit(name: string): Row {
  const [rule, key = "KEY"] = name.split("|");
  return { component: `ccx_rules_ocp.external.rules.${rule}.report`, key, details: { error_key: key } };
}

/** The stored form of a report with these hits (`rule|KEY`). */
export function aReport(...hits: string[]): string {
  return JSON.stringify({ reports: hits.map(aHit) });
}

export type GivenReport = {
  cluster: string;
  /** the report's own time */
  at: string;
  /** when it arrives; at its own time unless said otherwise */
  arrived?: string;
  /** `rule|KEY`, …; or the text of the report */
  hits: string[] | string;
  org?: number | undefined;
};

/** Inserts reports with one statement, as any program may. */
export async function addReports(db: Db, reports: GivenReport[]): Promise<void> {
  await db.query(
    `insert into new_reports (org_id, cluster, updated_at, report, received_at)
     select * from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[])`,
    [
      reports.map(({ org }) => org ?? 1),
      reports.map(({ cluster }) => cluster),
      reports.map(({ at }) => at),
      reports.map(({ hits }) => (typeof hits === "string" ? hits : aReport(...hits))),
      reports.map(({ at, arrived = at }) => arrived),
    ],
  );
}

export async function addReport(db: Db, cluster: string, at: string, hits: string[] | string): Promise<void> {
  await addReports(db, [{ cluster, at, hits }]);
}

/** Gives a stored report another text; that arrives now unless said otherwise. */
export async function replaceReport(
  db: Db,
  cluster: string,
  at: string,
  hits: string[],
  arrived?: string,
): Promise<void> {
  await db.query(
    `update new_reports set report = $3, received_at = coalesce($4, received_at)
     where cluster = $1 and updated_at = $2`,
    [cluster, at, aReport(...hits), arrived ?? null],
  );
}

const ruleAndKey = "rule_name(component) || '|' || error_key";

/** An element of the batch that ingest() takes: a result of a cluster with these hits (`rule|KEY`). */
export function aMessage(
  offset: number,
  cluster: string,
  at: string,
  hits: string[],
  changes: Row = {},
): Row {
  return {
    kafka_offset: offset,
    org_id: 1,
    account_number: 0,
    cluster,
    updated_at: at,
    report: aReport(...hits),
    ...changes,
  };
}

/** An element of that batch: a message that does not conform. */
export function aRejected(offset: number, reason: string): Row {
  return { kafka_offset: offset, reason, detail: "it is", key: null, value: null, headers: null };
}

/** Stores a batch; a text is passed as it is. */
export async function ingest(
  db: Db,
  batch: unknown[] | string,
  options: {
    at: string;
    topic?: string;
    partition?: number;
    highWatermark?: number;
    decideWithin?: string;
  },
): Promise<Row> {
  const [result] = await rows(db, "select * from ingest($1, $2, $3::jsonb, $4, $5, null, $6)", [
    options.topic ?? "results",
    options.partition ?? 0,
    typeof batch === "string" ? batch : JSON.stringify(batch),
    options.highWatermark ?? null,
    options.at,
    options.decideWithin ?? null,
  ]);
  return result as Row;
}

/** The open issues of a cluster as `rule|KEY`. */
export async function openIssues(db: Db, cluster: string): Promise<string[]> {
  const open = await rows(
    db,
    `select ${ruleAndKey} as issue from issue i join rule r on r.id = i.rule_id
     where i.cluster = $1 and i.closed_at is null order by 1`,
    [cluster],
  );
  return open.map(({ issue }) => String(issue));
}

/** Content of `rule|KEY`; important (total risk 3) unless changed. */
export function someContent(name: string, changes: Row = {}): Row {
  const [rule, key = "KEY"] = name.split("|");
  return {
    rule_name: rule,
    error_key: key,
    python_module: `ccx_rules_ocp.external.rules.${rule}`,
    description: `${rule} is wrong`,
    generic: "",
    summary: "",
    reason: `because of ${rule}`,
    resolution: "",
    more_info: "",
    impact: 3,
    likelihood: 3,
    status: "active",
    publish_date: null,
    tags: [],
    ...changes,
  };
}

/** Makes this the whole content from `at` on. Texts are `rule|KEY` of important rules. */
export async function loadContent(
  db: Db,
  content: (string | Row)[],
  at = "2020-01-01T00:00:00Z",
): Promise<Row> {
  const whole = content.map((one) => (typeof one === "string" ? someContent(one) : one));
  const load = "select added, changed, removed, unchanged from load_content($1::jsonb, $2, accepted => true)";
  const [loaded] = await rows(db, load, [JSON.stringify(whole), at]);
  assert.ok(loaded);
  return loaded;
}

export async function setPolicy(db: Db, target: string, change: Row, at: string, reason = "for the test") {
  return (await rows(db, "select * from set_policy($1, $2, $3, $4)", [target, change, reason, at]))[0];
}

export type Decided = { clusters: number; notifications: number; notified: number; held: number };

export async function decideDue(db: Db, at: string, batchSize = 100): Promise<Decided> {
  return (
    await rows(db, "select clusters, notifications, notified, held from decide_due($1, $2)", [batchSize, at])
  )[0] as Decided;
}

/** A report arrives and is decided on at once. */
export async function reportAndDecide(db: Db, cluster: string, at: string, hits: string[]): Promise<Decided> {
  await addReport(db, cluster, at, hits);
  return decideDue(db, at);
}

/** What decide() says of a cluster's issues: `rule|KEY` → "notify", or the reasons that hold it. */
export async function decisions(
  db: Db,
  cluster: string,
  at: string,
  target = notificationsBackend,
): Promise<Row> {
  const answers = await rows(
    db,
    `select ${ruleAndKey} as issue, decision, reasons
     from decide((select id from event_targets where name = $3), $2) where cluster = $1`,
    [cluster, at, target],
  );
  return Object.fromEntries(
    answers.map(({ issue, decision, reasons }) => {
      assert.equal(decision, (reasons as string[]).length === 0 ? "notify" : "hold");
      return [String(issue), decision === "notify" ? decision : reasons];
    }),
  );
}

/** The issues in the messages about a cluster, a list for each message in the order of their ids. */
export async function notified(db: Db, cluster: string, target = notificationsBackend): Promise<string[][]> {
  const messages = await rows(
    db,
    `select coalesce(array_agg(${ruleAndKey} order by i.id) filter (where i.id is not null), '{}') as issues
     from notification n
     left join notified_issue l on l.notification_id = n.id
     left join issue i on i.id = l.issue_id
     left join rule r on r.id = i.rule_id
     where n.cluster = $1 and n.target_id = (select id from event_targets where name = $2)
     group by n.id order by n.id`,
    [cluster, target],
  );
  return messages.map(({ issues }) => issues as string[]);
}

/** The jobs that wait, by their key. */
export async function jobs(db: Db): Promise<Row> {
  await db.query(wishesBecomeJobs);
  const waiting = await rows(db, "select key, run_at from graphile_worker.jobs order by key");
  return Object.fromEntries(waiting.map(({ key, run_at }) => [String(key), run_at]));
}

/** Records outcomes of deliveries; returns how many are sent, retried and dead. */
export async function settle(db: Db, outcomes: Row[], at: string): Promise<Row> {
  const { circuit: _, ...counts } = await settleAll(db, outcomes, at);
  return counts;
}

/** The same, with what became of the circuit. */
export async function settleAll(db: Db, outcomes: Row[], at: string): Promise<Row> {
  return (
    await rows(db, "select * from settle_notifications($1::jsonb, $2)", [JSON.stringify(outcomes), at])
  )[0] as Row;
}

export async function claim(
  db: Db,
  at: string,
  batchSize = 10,
  target = notificationsBackend,
): Promise<Row[]> {
  return rows(db, "select * from claim_notifications($1, $2, '2 minutes', $3)", [target, batchSize, at]);
}

/**
 * Queues one message (about disk|KEY) for each of so many clusters, decided at `at`; returns the clusters.
 */
export async function someMessages(db: Db, at: string, count = 1): Promise<string[]> {
  await loadContent(db, ["disk", "net"]);
  const clusters = Array.from({ length: count }, aCluster);
  for (const cluster of clusters) await reportAndDecide(db, cluster, at, ["disk"]);
  await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
  return clusters;
}

/** What identifies a claim. */
export type Claimed = { id: unknown; attempt: unknown };

/** Claims the only message that is due. */
export async function claimOne(db: Db, at: string): Promise<Claimed> {
  const [claimed, ...more] = await claim(db, at);
  assert.ok(claimed && more.length === 0, `${more.length + 1} messages are due`);
  return { id: claimed.id, attempt: claimed.attempt };
}

/** The outcome of a delivery that failed, to be tried again unless changed. */
export function failed({ id, attempt }: Claimed, changes: Row = {}): Row {
  const failure = { failure: "server", error: "it answered 503", permanent: false, retry_after_ms: null };
  return { id, attempt, sent: false, ...failure, ...changes };
}

/** The outcome of a delivery that is out. */
export function delivered({ id, attempt }: Claimed, result: Row = {}): Row {
  return { id, attempt, sent: true, result };
}
