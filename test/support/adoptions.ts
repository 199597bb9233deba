import assert from "node:assert/strict";
import pg from "pg";
import {
  claim,
  type Db,
  decideDue,
  delivered,
  ingest,
  loadContent,
  rows,
  settle,
  value,
} from "./builders.ts";
import { clusterOf } from "./incumbent.ts";

/** What a database consists of: relations, columns, constraints, indexes, rights, functions. */
export async function theirSchema(db: Db): Promise<string[]> {
  const found = await rows(
    db,
    `select concat_ws(' ', 'relation', c.relnamespace::regnamespace, c.relname, c.relkind,
       obj_description(c.oid, 'pg_class')) as it
     from pg_class c
     where c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
     union all
     select concat_ws(' ', 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid))
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
     where c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
     union all
     select concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid))
     from pg_constraint where connamespace = 'public'::regnamespace
     union all
     select concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid))
     from pg_index i
     join pg_class c on c.oid = i.indexrelid
     where c.relnamespace = 'public'::regnamespace
     union all
     select concat_ws(' ', 'rights', c.relname, pg_get_userbyid(c.relowner), a)
     from pg_class c
     cross join lateral aclexplode(c.relacl) a
     where c.relnamespace = 'public'::regnamespace
     union all
     select concat_ws(' ', 'rights', nspname, nspacl) from pg_namespace where nspname = 'public'
     union all
     select concat_ws(' ', 'trigger', tgrelid::regclass, tgname) from pg_trigger where not tgisinternal
     union all
     select concat_ws(' ', 'function', p.oid::regprocedure) from pg_proc p
     where p.pronamespace::regnamespace::text !~ '^(pg_|information_schema)'
     union all
     select concat_ws(' ', 'schema', nspname) from pg_namespace where nspname !~ '^pg_'
     union all
     select concat_ws(' ', 'extension', extname) from pg_extension
     order by 1`,
  );
  return found.map(({ it }) => String(it));
}

export type Written = {
  keys: { org: number; cluster: string }[];
};

/**
 * The two Go services, as far as the database sees them: one writes reports, the other reads the newest of
 * each cluster and what was sent, and writes what it sent. Whatever they do fails after a second behind a
 * lock, and then so does the test.
 */
export async function goService(url: string): Promise<{ stop(): Promise<Written> }> {
  const client = new pg.Client({
    connectionString: url,
    application_name: "go",
    options: "-c lock_timeout=1s -c statement_timeout=20s",
  });
  client.on("error", () => undefined);
  await client.connect();
  let stopped = false;
  const keys: Written["keys"] = [];
  const work = async () => {
    while (!stopped) {
      const nth = 1_000_000 + Math.floor(Math.random() * 1e9);
      const key = { org: 1 + (nth % 50), cluster: clusterOf(nth) };
      const at = new Date().toISOString().replace("Z", "+00:00");
      const report = '{"reports":[{"type":"rule","component":"x.disk.report","key":"KEY","details":{}}]}';
      await client.query("begin");
      await client.query(
        `INSERT INTO new_reports(org_id, account_number, cluster, report, updated_at, kafka_offset)
         VALUES ($1, $2, $3, $4, $5, $6)`,
        [key.org, 1, key.cluster, report, at, nth],
      );
      await client.query("commit");
      const { rows: newest } = await client.query(
        `SELECT DISTINCT ON (cluster) org_id, account_number, cluster, kafka_offset, updated_at
         FROM new_reports WHERE cluster = $1 ORDER BY cluster, updated_at DESC`,
        [key.cluster],
      );
      assert.equal(newest.length, 1, "the row it wrote is there");
      await client.query(
        `INSERT INTO reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
           notified_at, error_log, event_type_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
        [key.org, 1, key.cluster, 1, 1, report, at, at, "", 1],
      );
      const { rows: sent } = await client.query(
        `SELECT org_id, cluster, report, notified_at FROM (
           SELECT DISTINCT ON (cluster) * FROM reported
           WHERE event_type_id = 1 AND state = 1
             AND org_id IN ('${key.org}') AND cluster IN ('${key.cluster}')
           ORDER BY cluster, notified_at DESC) t
         WHERE notified_at > NOW() - $1::INTERVAL`,
        ["7 days"],
      );
      assert.equal(sent.length, 1, "what it sent is in its cooldown");
      keys.push(key);
    }
  };
  const working = work();
  working.catch(() => undefined);
  return {
    async stop() {
      stopped = true;
      await working;
      await client.end();
      return { keys };
    },
  };
}

/** What holds after an adoption of what `fillVersionEight` made. */
export async function adoptionIsWhole(
  db: Db,
  { clusters, reportsEach }: { clusters: number; reportsEach: number },
  written: Written,
): Promise<void> {
  const all = clusters * reportsEach + written.keys.length;
  for (const view of ["all_new_reports", "all_reported"])
    assert.equal(
      await value(db, `select count(*)::integer from incumbent.${view}`),
      all,
      `no row of ${view} is lost`,
    );
  assert.equal(await value(db, "select version from migration_info"), 8);
  assert.equal(
    await value(db, "select count(*)::integer from latest_report"),
    clusters + written.keys.length,
  );
  assert.deepEqual(await rows(db, "select * from drift limit 5"), []);

  // nobody is notified before what was sent is known, and nobody of what was sent within the cooldown
  await loadContent(db, ["disk", "net"]);
  // so many at once are a storm
  await db.query(`select set_policy('notifications backend', '{"storm_share": null}', 'for the test')`);
  const at = String(await value(db, "select now()"));
  while ((await decideDue(db, at, 1_000)).clusters > 0);
  const notified = await rows(
    db,
    `select n.cluster, count(*)::integer as issues from notification n
     join notified_issue l on l.notification_id = n.id
     where n.result is distinct from '{"imported": true}' group by 1 order by 1`,
  );
  const expected = Array.from({ length: clusters }, (_, nth) => nth + 1)
    .filter((nth) => nth % 3 !== 1)
    .map((nth) => ({ cluster: clusterOf(nth), issues: nth % 2 === 0 ? 2 : 1 }));
  assert.deepEqual(notified, expected);
  assert.deepEqual(await rows(db, "select * from drift limit 5"), []);
  assert.equal(await value(db, "select count(*)::integer from reported_elsewhere"), 0);

  // a normal run
  const cluster = clusterOf(1);
  await ingest(
    db,
    [
      {
        ...{ kafka_offset: 1, org_id: 2, account_number: 1, cluster, updated_at: at },
        report: '{"reports":[{"component":"ccx_rules_ocp.external.rules.net.report","key":"KEY"}]}',
      },
    ],
    { at, topic: `adopted ${clusters}` },
  );
  const clock = async () => String(await value(db, "select now()"));
  assert.equal((await decideDue(db, await clock(), 10)).notified, 1);
  const [message] = await claim(db, await clock(), 1);
  assert.ok(message);
  await settle(db, [delivered(message as never)], await clock());
  assert.equal(
    await value(
      db,
      `select r.state from notification n
       join reported r on r.cluster = n.cluster and r.org_id = n.org_id and r.notified_at = n.decided_at
       where n.id = $1`,
      [message.id],
    ),
    1,
    "and its delivery is on record",
  );
}
