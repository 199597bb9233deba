import type pg from "pg";

/** Runs in a transaction that is rolled back. */
export async function rolledBack<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query("begin");
  try {
    return await work();
  } finally {
    await client.query("rollback");
  }
}

/** So many clusters from all over the fleet, the same ones for the same seed. */
export async function someClusters(client: pg.ClientBase, count: number, seed: string): Promise<string[]> {
  const { rows } = await client.query<{ cluster: string }>(
    "select cluster from latest_report order by hashtext(cluster || $2), cluster limit $1",
    [count, seed],
  );
  return rows.map(({ cluster }) => cluster);
}

/**
 * The next report of each of these clusters arrives: with the hits of the last one, and one more if asked.
 */
export async function changeClusters(
  client: pg.ClientBase,
  clusters: string[],
  oneMoreHit: boolean,
): Promise<void> {
  await client.query(
    `insert into new_reports (org_id, cluster, report, updated_at)
     select r.org_id, r.cluster, jsonb_build_object('reports', (r.report::jsonb -> 'reports') || more.hits), now()
     from unnest($1::text[]) changed
     join latest_report l on l.cluster = changed
     join new_reports r on r.org_id = l.org_id and r.cluster = l.cluster and r.updated_at = l.updated_at
     cross join lateral (
       select coalesce(jsonb_agg(jsonb_build_object('component', h.component, 'key', h.error_key)), '[]') as hits
       from (
         select u.component, u.error_key
         from rule u
         where $2
           and not exists (
             select from issue i where i.org_id = l.org_id and i.cluster = l.cluster and i.rule_id = u.id)
         order by hashtext(l.cluster || u.id)
         limit 1
       ) h
     ) more`,
    [clusters, oneMoreHit],
  );
}
