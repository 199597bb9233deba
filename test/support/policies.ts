import assert from "node:assert/strict";
import type { Pool, PoolClient } from "pg";
import { notificationsBackend, type Row, rows, wishesBecomeJobs } from "./builders.ts";

type Db = Pool | PoolClient;

let lettered = 0;

/** A cluster that has another form in capitals. */
export function aLetteredCluster(): string {
  return `abcdefab-cdef-4abc-8def-${String(++lettered).padStart(12, "0")}`;
}

/** Whom a policy is for: everybody of the target, unless an organization or a rule is named. */
export type Scope = { target?: string; org?: number; rule?: string };

/** Sets the policy of a scope; returns the new version. */
export async function setScopedPolicy(
  db: Db,
  { target = notificationsBackend, org, rule }: Scope,
  change: Row | null,
  at: string | null,
  reason: string | null = "for the test",
): Promise<Row> {
  const sql = "select * from set_policy($1, $2, $3, $4, org_id => $5, rule => $6)";
  return (await rows(db, sql, [target, change, reason, at, org ?? null, rule ?? null]))[0] as Row;
}

export async function endPolicy(
  db: Db,
  { target = notificationsBackend, org, rule }: Scope,
  at: string,
  reason: string | null = "no longer needed",
): Promise<Row> {
  const sql = "select * from end_policy($1, $2, $3, $4, $5)";
  return (await rows(db, sql, [target, reason, at, org ?? null, rule ?? null]))[0] as Row;
}

/** What a silence is about. */
export type Matchers = {
  org_id?: number;
  cluster?: string;
  rule?: string;
  error_key?: string;
  tag?: string;
};

export type GivenSilence = Matchers & {
  ends_at?: string | null;
  starts_at?: string | null;
  reason?: string | null;
  everything?: boolean;
};

const named = (values: object) =>
  Object.keys(values)
    .map((name, nth) => `${name} => $${nth + 1}`)
    .join(", ");

/** Adds a silence until 8 March 2026 unless said otherwise; `at` is when it is asked for. */
export async function addSilence(db: Db, silence: GivenSilence, at = "2026-03-01T00:00:00Z"): Promise<Row> {
  const given = { ends_at: "2026-03-08T00:00:00Z", reason: "for the test", at, ...silence };
  return (await rows(db, `select * from add_silence(${named(given)})`, Object.values(given)))[0] as Row;
}

export async function endSilence(db: Db, id: unknown, at: string): Promise<Row> {
  return (await rows(db, "select * from end_silence($1, $2)", [id, at]))[0] as Row;
}

/** The issues that such a silence would hold, as `org cluster rule|KEY`. */
export async function previewSilence(db: Db, matchers: Matchers, at: string): Promise<string[]> {
  const given = { ...matchers, at };
  const found = await rows(
    db,
    `select org_id || ' ' || cluster || ' ' || rule_name(component) || '|' || error_key as issue
     from preview_silence(${named(given)}) order by 1`,
    Object.values(given),
  );
  return found.map(({ issue }) => String(issue));
}

/** What decide() says of a cluster's issues, all of it, by `rule|KEY`. */
export async function explained(
  db: Db,
  cluster: string,
  at: string,
  target = notificationsBackend,
): Promise<Record<string, Row | undefined>> {
  const answers = await rows(
    db,
    `select rule_name(component) || '|' || error_key as issue, d.*
     from decide((select id from event_targets where name = $3), $2, array[$1]) d`,
    [cluster, at, target],
  );
  return Object.fromEntries(answers.map(({ issue, ...answer }) => [String(issue), answer]));
}

/** One column of that, by `rule|KEY`. */
export async function explainedAs(
  db: Db,
  column: string,
  cluster: string,
  at: string,
  target = notificationsBackend,
): Promise<Row> {
  const answers = Object.entries(await explained(db, cluster, at, target));
  return Object.fromEntries(answers.map(([issue, answer]) => [issue, answer?.[column]]));
}

/**
 * Commits as far as a test's transaction can (what waits for the commit happens now) and takes the requests
 * that are due at `at`, or all of them: then the clusters that they concern wait for a decision.
 */
export async function takeRequests(db: Db, at?: string): Promise<void> {
  await db.query("set constraints all immediate; set constraints all deferred");
  const last = "select coalesce($1, max(due_at)) as at, count(*)::integer from decision_request";
  const due = (await rows(db, last, [at ?? null]))[0];
  for (let n = 0; n < Number(due?.count); n++) {
    await db.query("select expand_decision_request(1000000, $1)", [due?.at]);
  }
}

/** The clusters that wait for a decision, in order, those that a request at `at` concerns among them. */
export async function waiting(db: Db, at?: string): Promise<string[]> {
  await takeRequests(db, at);
  return (await rows(db, "select cluster from decision_due order by cluster")).map(({ cluster }) =>
    String(cluster),
  );
}

/** The messages about a cluster, each as `gone: rules` or `there: rules`. */
export async function messagesAbout(db: Db, cluster: string, target = 1): Promise<string[]> {
  const sent = await rows(
    db,
    `select case when n.resolved then 'gone' else 'there' end as what,
       string_agg(r.rule_name, ' ' order by r.rule_name) as rules, bool_and(l.resolved = n.resolved) as same
     from notification n join notified_issue l on l.notification_id = n.id
     join issue i on i.id = l.issue_id join rule r on r.id = i.rule_id
     where n.cluster = $1 and n.target_id = $2 group by n.id order by n.decided_at, n.resolved, n.id`,
    [cluster, target],
  );
  assert.ok(sent.every(({ same }) => same));
  return sent.map(({ what, rules }) => `${what}: ${rules}`);
}

/** Nobody waits any more, and nothing was decided. */
export async function nobodyWaits(db: Db): Promise<void> {
  await db.query("set constraints all immediate; set constraints all deferred");
  await db.query("delete from decision_request; delete from decision_due");
  await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
}

/** Rows of a table before and after, to say that nothing changed. */
export async function wholeTable(db: Db, table: "policy" | "silence" | "acknowledgement"): Promise<Row[]> {
  return rows(db, `select * from ${table} order by id`);
}

/** A row of rule_disable, as the aggregator inserts it. */
export async function disableRule(
  db: Db,
  org: number,
  rule: string,
  errorKey: string,
  at = "2026-02-01T00:00:00Z",
): Promise<void> {
  await db.query(
    `insert into rule_disable (org_id, rule_id, error_key, justification, created_at)
     values ($1, $2, $3, 'known', $4)`,
    [String(org), rule, errorKey, at],
  );
}

/** A row of cluster_rule_toggle, as the aggregator inserts it: off unless changed. */
export async function toggleRule(
  db: Db,
  cluster: string,
  rule: string,
  errorKey: string,
  changes: Row = {},
): Promise<void> {
  const row = {
    cluster_id: cluster,
    rule_id: rule,
    error_key: errorKey,
    disabled: 1,
    disabled_at: "2026-02-01T00:00:00Z",
    ...changes,
  };
  const columns = Object.keys(row);
  await db.query(
    `insert into cluster_rule_toggle (${columns}) values (${columns.map((_, nth) => `$${nth + 1}`)})`,
    Object.values(row),
  );
}
