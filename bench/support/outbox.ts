import type pg from "pg";
import { changeClusters } from "./changed_clusters.ts";
import { makeFleet } from "./fleet.ts";

const atATime = 1_000;

/**
 * Fills a migrated, empty database with a fleet of which every cluster has just reported one issue more, and
 * decides on all of them: what is to be notified waits in the outbox.
 */
export async function fillOutbox(client: pg.ClientBase, clusters: number): Promise<void> {
  await makeFleet(client, clusters, 1_800_000);
  const { rows } = await client.query<{ cluster: string }>(
    "select cluster from latest_report order by cluster",
  );
  const all = rows.map(({ cluster }) => cluster);
  for (let first = 0; first < all.length; first += atATime)
    await changeClusters(client, all.slice(first, first + atATime), true);
  while (await decidedSome(client));
  await client.query("vacuum (analyze)");
}

async function decidedSome(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ clusters: number }>("select clusters from decide_due($1)", [atATime]);
  return (rows[0]?.clusters ?? 0) > 0;
}

/** Leaves in the outbox what waits for this target, `most` of them at most; returns how many wait. */
export async function keepWaiting(client: pg.ClientBase, target: string, most: number): Promise<number> {
  await client.query("set ccx.rewrite_history = on");
  await client.query(
    `delete from notification n
     where n.state = 'pending'
       and n.id not in (
         select p.id from notification p join event_targets t on t.id = p.target_id
         where p.state = 'pending' and t.name = $1 order by p.id limit $2)`,
    [target, most],
  );
  await client.query("reset ccx.rewrite_history");
  await client.query("vacuum (analyze) notification, notified_issue");
  const { rows } = await client.query<{ count: number }>(
    "select count(*)::integer as count from notification where state = 'pending'",
  );
  return rows[0]?.count ?? 0;
}
