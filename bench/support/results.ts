import { readFile } from "node:fs/promises";
import type pg from "pg";

/** Adds the functions that make results up, which end at `at`: bench/support/results.sql. */
export async function addResults(client: pg.ClientBase, at = new Date()): Promise<void> {
  await client.query(
    `create schema bench;
     create function bench.present() returns timestamptz language sql stable parallel safe return '${at.toISOString()}'::timestamptz`,
  );
  await client.query(await readFile(new URL("results.sql", import.meta.url), "utf8"));
}

/** One round of a fleet: every cluster's result of that time, in the order of arrival. */
export type Round = { clusters: number; round: number; bytes: number };

/** The fleet's reports of one round are stored, as another program would; vacuumed and analyzed. */
export async function storeRound(client: pg.ClientBase, { clusters, round, bytes }: Round): Promise<void> {
  await client.query(
    `select ensure_partition('new_reports', day)
     from (
       select distinct (bench.reported_at(n, $2) at time zone 'UTC')::date as day from generate_series(1, $1) n
     ) days
     order by day`,
    [clusters, round],
  );
  await client.query(
    `insert into new_reports (org_id, account_number, cluster, report, updated_at, received_at)
     select bench.org(n), 500000 + n / 3, bench.cluster(n),
       jsonb_build_object('reports', bench.hits(n, $2, $3 / 2))::text,
       bench.reported_at(n, $2), bench.reported_at(n, $2) + interval '3 seconds'
     from generate_series(1, $1) n`,
    [clusters, round, bytes],
  );
  // decided long since
  await client.query("delete from decision_due");
  await client.query("delete from graphile_worker._private_jobs");
  await client.query("vacuum (analyze)");
}

/** The messages of a round, so many at a time. */
export async function* messagesOf(
  client: pg.ClientBase,
  { clusters, round, bytes }: Round,
  atATime: number,
): AsyncGenerator<string[]> {
  for (let first = 1; first <= clusters; first += atATime) {
    const { rows } = await client.query<{ result: string }>(
      `select bench.result(n, $3, $4) as result from generate_series($1::integer, $2::integer) n`,
      [first, Math.min(clusters, first + atATime - 1), round, bytes],
    );
    yield rows.map(({ result }) => result);
  }
}
