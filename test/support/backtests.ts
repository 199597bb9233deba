import type { PoolClient } from "pg";
import { addReports, decideDue, notificationsBackend, type Row, rows } from "./builders.ts";

/** So many hours (and parts of them) into March 2026. */
export const hour = (hours: number) =>
  new Date(Date.parse("2026-03-01T00:00:00Z") + Math.round(hours * 3_600_000))
    .toISOString()
    .replace(".000Z", "Z");

/**
 * A report: its hour, which is when it arrives and is decided on, its cluster, what it has, its organization
 * (1).
 */
export type Arrival = [hour: number, cluster: string, hits: string[], org?: number];

export async function arrivals(db: PoolClient, ...reports: Arrival[]): Promise<void> {
  for (const [hours, cluster, hits, org = 1] of reports.toSorted(([a], [b]) => a - b)) {
    await addReports(db, [{ cluster, org, at: hour(hours), hits }]);
    await decideDue(db, hour(hours), 1000);
  }
}

/** A cluster that reports the same every so many hours, from one hour until before another. */
export const steadily = (
  cluster: string,
  hits: string[],
  every: number,
  from: number,
  to: number,
): Arrival[] =>
  Array.from({ length: Math.ceil((to - from) / every) }, (_, nth) => [from + nth * every, cluster, hits]);

/**
 * What backtest() says of hours 0 to 96, or others: for each day `issues messages clusters organizations`.
 */
export async function backtest(
  db: PoolClient,
  policy: Row | null = null,
  {
    target = notificationsBackend,
    from = 0,
    to = 96,
    org,
  }: { target?: string; from?: number; to?: number; org?: number } = {},
): Promise<string[]> {
  const days = await rows(
    db,
    `select concat_ws(' ', issues, messages, clusters, organizations) as day from backtest($1, $2, $3, $4, $5) b
     order by b.day`,
    [target, hour(from), hour(to), policy === null ? null : JSON.stringify(policy), org ?? null],
  );
  return days.map(({ day }) => String(day));
}

/** When it would have notified what, as `hour rule`. */
export async function tells(
  db: PoolClient,
  policy: Row | null = null,
  { target = 1, from = 0, to = 96 } = {},
): Promise<string[]> {
  const found = await rows(
    db,
    `select round(extract(epoch from t.notified_at - '2026-03-01T00:00:00Z') / 3600, 2)::float || ' ' || r.rule_name as tell
     from backtest_steps($1, $2, $3, $4) t join issue i on i.id = t.issue_id join rule r on r.id = i.rule_id
     order by t.notified_at, r.rule_name`,
    [target, hour(from), hour(to), policy === null ? null : JSON.stringify(policy)],
  );
  return found.map(({ tell }) => String(tell));
}
