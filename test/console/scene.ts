import type { Pool } from "pg";
import { aCluster, addReports, decideDue, loadContent, settle } from "../support/builders.ts";

export const mine = { org: 1, cluster: aCluster() };
export const theirs = { org: 987_654, cluster: aCluster() };

/**
 * Two organizations with a cluster each, a rule that is notified and one that is held, a message of each
 * cluster that is dead, and a rejected message that would conform by now.
 */
export async function fillConsole(pool: Pool): Promise<{ rejected: string }> {
  const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
  await loadContent(pool, ["disk|KEY", "net|KEY"]);
  for (const { org, cluster } of [mine, theirs])
    await addReports(pool, [{ org, cluster, at: ago(3), hits: ["disk|KEY", "unknown_rule|KEY"] }]);
  await decideDue(pool, ago(2.9));
  const { rows } = await pool.query<{ id: string }>("select id from notification where state = 'pending'");
  const dead = rows.map(({ id }) => ({
    ...{ id: Number(id), attempt: 1, sent: false, failure: "schema", error: "400: no", permanent: true },
  }));
  await pool.query("select claim_notifications('notifications backend', 10, '2 minutes', $1)", [ago(2.8)]);
  await settle(pool, dead, ago(2.8));
  const report = {
    system: { metadata: {}, hostname: null },
    reports: [],
    fingerprints: [],
    skips: [],
    info: [],
  };
  const message = {
    ...{ OrgID: mine.org, AccountNumber: 1, ClusterName: mine.cluster, Report: report },
    ...{ LastChecked: ago(1), Version: 2, RequestId: "0fd56d2f91fd2aa7a877b351b3b5fd37" },
  };
  const stored = await pool.query<{ id: string }>(
    `insert into rejected_message (topic, partition, kafka_offset, reason, detail, value, org_id, cluster)
     values ('results', 0, 7, 'not_json', 'The message is no JSON, at byte 12.', $1, $2, $3) returning id`,
    [Buffer.from(JSON.stringify(message)), mine.org, mine.cluster],
  );
  await pool.query(
    `insert into rejected_message (topic, partition, kafka_offset, reason, detail, value, org_id, cluster)
     values ('results', 0, 8, 'not_json', 'The message is no JSON, at byte 3.', $1, $2, $3)`,
    [Buffer.from("{{{"), theirs.org, theirs.cluster],
  );
  return { rejected: String(stored.rows[0]?.id) };
}

/** The paths of all pages, with what there is of the given cluster. */
export const allPages = (cluster: string): string[] => [
  ...["/", "/new", "/new?view=reason", "/new?view=rule", "/new?view=organization", "/new?view=stuck"],
  ...["/clusters", `/clusters/${cluster}`, "/rules", "/rules/disk", "/policies", "/policies?view=history"],
  ...[
    "/policies/1",
    "/policies?view=try",
    "/silences",
    "/silences?view=add",
    "/silences?view=acknowledgements",
  ],
  ...["/deliveries", "/deliveries?view=dead", "/deliveries?view=circuit", "/deliveries?view=replay"],
  ...["/deliveries?view=storms", "/rejected", "/rejected?view=hours", "/storage", "/storage?view=retention"],
  ...["/storage?view=next", "/storage?view=consumer", "/acts"],
];

/** The paths of the pages about one message, one issue, one report and one rejected message of a cluster, for all there are. */
export async function pagesAbout(pool: Pool, { org, cluster }: typeof mine): Promise<string[]> {
  const { rows } = await pool.query<{ path: string }>(
    `select '/messages/' || id as path from notification where cluster = $2
     union all select '/rejected/' || id from rejected_message where cluster = $2
     union all select '/policies/' || policy_id from policy_history where org_id = $1
     union all select format('/clusters/%s/report?org=%s&at=%s', cluster, org_id,
         to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.USZ'))
       from new_reports where org_id = $1 and cluster = $2
     union all select format('/clusters/%s/text?issue=%s&target=%s', cluster, i.id, replace(t.name, ' ', '+'))
       from issue i, event_targets t where org_id = $1 and cluster = $2 and closed_at is null
     order by path`,
    [org, cluster],
  );
  return rows.map(({ path }) => path);
}

/** Which of these routes (`GET /clusters/:cluster`) no place leads to. */
export const unvisited = (routes: readonly string[], places: readonly string[]): string[] =>
  routes.filter((route) => {
    const pattern = new RegExp(`^${route.replace(/^GET /, "").replaceAll(/:\w+/g, "[^/]+")}$`);
    return !places.some((place) => pattern.test(place.split("?")[0] ?? ""));
  });
