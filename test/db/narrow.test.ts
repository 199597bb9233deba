import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { addReports, loadContent, type Row, rows } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

// A question about one cluster reads what belongs to it, not its organization, and not the fleet. Two things
// have spoiled that without any test noticing. What comes out of a function has the database's collation, by
// which the index of a cluster, "C", cannot be asked (`collate "C"` mends it). And `p is null or c = p` is
// looked up by index only where it is planned for the value: PostgreSQL 16 and 17 never do that for a function
// in SQL that is not taken into its caller.

const database = testDatabase();
const [org, small, at, until] = [1, 2, "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"];
/** Of fewer, reading all of a table may really be the cheapest. */
const clusters = 3_000;
const nameOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const one = nameOf(500);

/** What uploads, workloads, people and other services leave behind of each cluster. */
const leftBehind = `
  set local session_replication_role = replica;
  create temp table c on commit drop as
    select row_number() over () as n, org_id, cluster from latest_report;
  insert into archive (request_id, org_id, principal, cluster, service, category, content_type, size, sha256,
      store, object_key, b64_identity, received_at, stored_at)
    select 'r' || n, org_id, '1', cluster, 'openshift', 'periodic', 'x', 1, sha256('x'), 'folder', 'k' || n,
      'x', '${at}', '${at}' from c;
  insert into upload_message (request_id, archive_id, kind, org_id, service, noted_at)
    select request_id, archive_id, 'announcement', org_id, service, '${at}' from archive;
  insert into analysis (topic, partition, kafka_offset, received_at, request_id, org_id, cluster, state)
    select 't', 0, n, '${at}', 'r' || n, org_id, cluster, 'published' from c;
  insert into kept_archive (request_id, org_id, cluster, announced_at, kept_at)
    select 'r' || n, org_id, cluster, '${at}', '${at}' from c;
  insert into workload_report (cluster, org_id, updated_at, received_at, recommendations)
    select cluster, org_id, '${at}', '${at}', '[]' from c;
  insert into workload_namespace (cluster, namespace_id, org_id, name, reported_at, recommendations, objects,
      hits)
    select cluster, 'n', org_id, 'n', '${at}', 1, 1, '[]' from c;
  insert into cluster_registry (cluster, org_id, display_name) select cluster, org_id, 'name' from c;
  insert into cluster_rule_user_feedback (cluster_id, rule_id, error_key, user_id, org_id)
    select cluster, 'disk', 'KEY', 'u', org_id from c;`;

let planted: Promise<void> | undefined;
const withFleet = async (work: (db: PoolClient) => Promise<void>) => {
  planted ??= (async () => {
    const { pool } = database;
    await loadContent(pool, ["disk", "net"]);
    const reports = Array.from({ length: clusters }, (_, n) => ({
      cluster: nameOf(n),
      org: n % 300 === 1 ? small : org,
      at,
      hits: ["disk", "net"],
    }));
    await addReports(pool, reports);
    await pool.query(`select decide_due(10000, '${at}')`);
    await pool.query(`begin; ${leftBehind}; commit`);
    await pool.query("vacuum analyze");
  })();
  await planted;
  await rolledBack(database.pool, work);
};

/** Rows that this transaction read, per table; a partition counts as its table. */
async function readRows(db: PoolClient): Promise<Map<string, number>> {
  const counted = await rows(
    db,
    `select regexp_replace(relname, '_([0-9]{8}|default)$', '') as name,
       sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::integer as count
     from pg_stat_xact_user_tables where schemaname in ('public', 'ccx') group by 1`,
  );
  return new Map(counted.map(({ name, count }) => [String(name), Number(count)]));
}

/**
 * The tables of which a statement reads more than a tenth of what the fleet has: though an index could help,
 * or since none does. (Where few pages are to be read, the planner rightly does without one.)
 */
async function readsTooMuchOf(db: PoolClient, statement: string): Promise<string[]> {
  const read = async (settings: string): Promise<Set<string>> => {
    await db.query(`discard plans; savepoint before; ${settings}`);
    const before = await readRows(db);
    await db.query(statement);
    const after = await readRows(db);
    await db.query("rollback to savepoint before");
    const much = [...after].filter(([table, count]) => count - (before.get(table) ?? 0) > clusters / 10);
    return new Set(much.map(([table]) => table));
  };
  const found: string[] = [];
  // planned for the values, then as a function in SQL always is in PostgreSQL 16 and 17
  for (const mode of ["auto", "force_generic_plan"]) {
    const planned = await read(`set local plan_cache_mode = ${mode}`);
    const withIndexes = await read(`set local plan_cache_mode = ${mode}; set local enable_seqscan = off`);
    found.push(...[...planned].filter((table) => withIndexes.has(table)));
  }
  return [...new Set(found)].toSorted();
}

const given: Record<string, string> = {
  cluster: `'${one}'`,
  only_cluster: `'${one}'`,
  clusters: `array['${one}']`,
  only_clusters: `array['${one}']`,
  org_id: String(org),
  only_org: String(org),
  org_ids: `array[${org}]`,
  by_report: "array[true]",
  target: "'notifications backend'",
  rule: "'disk'",
  rule_name: "'disk'",
  module: "'ccx_rules_ocp.external.rules.disk'",
  component: "'ccx_rules_ocp.external.rules.disk.report'",
  error_key: "'KEY'",
  user_id: "'u'",
  request_id: "'r1'",
  namespace_id: "'n'",
  only_namespace: "'n'",
  at: `'${until}'`,
  updated_at: `'${at}'`,
  due_at: `'${at}'`,
  since: `'${at}'`,
  started_at: `'${at}'`,
  stopped_at: `'${until}'`,
  ends_at: "'2026-03-03T12:00:00Z'",
  reason: "'for the test'",
  cause: "'silence ended'",
  message: "'because'",
  vote: "1",
  name: "'name'",
  token_hash: "sha256('x')",
  from_time: `'${at}'`,
  to_time: `'${until}'`,
  started: `'${at}'`,
  change: "'{}'",
  rating: "1",
  status: "'received'",
  service: "'x'",
};

type Asked = { name: string; arguments: string[]; types: string[]; defaults: number };

/** The functions that take one of these arguments. */
const functionsThatTake = async (db: PoolClient, names: string[]): Promise<Asked[]> =>
  (await rows(
    db,
    `select p.oid::regproc::text as name, p.proargnames[1:p.pronargs] as arguments,
       array(select format_type(t, null) from unnest(p.proargtypes) with ordinality u (t, n) order by n) as types,
       p.pronargdefaults as defaults
     from pg_proc p
     where p.pronamespace in ('public'::regnamespace, 'ccx'::regnamespace) and p.prokind = 'f'
       and p.prorettype <> 'trigger'::regtype and p.proargnames[1:p.pronargs] && $1
     order by 1`,
    [names],
  )) as unknown as Asked[];

/** A call of it that names what we can name, and is null otherwise. */
function callOf({ name, arguments: named, types, defaults }: Asked, given: Row): string {
  const passed = named.flatMap((argument, nth) => {
    const isNeeded = nth < named.length - defaults;
    if (!isNeeded && given[argument] === undefined) return [];
    const value = types[nth] === "integer" && argument === "target" ? 1 : (given[argument] ?? "null");
    return [`${argument} => ${value}::${types[nth]}`];
  });
  return `select * from ${name}(${passed.join(", ")})`;
}

/** What each of these functions reads too much of; those that refuse the call are left out, and named. */
async function whatTheyRead(db: PoolClient, functions: Asked[], given: Row) {
  const found: Record<string, string[]> = {};
  const refused: string[] = [];
  for (const one of functions) {
    await db.query("savepoint call");
    try {
      const tables = await readsTooMuchOf(db, callOf(one, given));
      if (tables.length > 0) found[one.name] = tables;
    } catch {
      refused.push(one.name);
      await db.query("rollback to savepoint call");
    }
  }
  return { found, refused };
}

test("whatever takes a cluster reads what belongs to it, and not its organization", () =>
  withFleet(async (db) => {
    const functions = await functionsThatTake(db, ["cluster", "only_cluster", "clusters", "only_clusters"]);
    const { found, refused } = await whatTheyRead(db, functions, given);
    assert.deepEqual(found, {
      // says whether that is many of all issues
      add_silence: ["issue"],
      // looked up where messages are many: with 40,000 of them no more than 150 pages
      import_reported: ["notification"],
    });
    // what is read from a file, and a number that is called clusters
    assert.deepEqual(refused, ["read_registry", "survey_estimate"]);
  }));

test("whatever takes an organization of ten clusters does not read the others", () =>
  withFleet(async (db) => {
    const { cluster, only_cluster, clusters, only_clusters, org_ids, ...others } = given;
    const ofSmall = { ...others, org_id: String(small), only_org: String(small) };
    const functions = await functionsThatTake(db, ["org_id", "only_org"]);
    const { found, refused } = await whatTheyRead(db, functions, ofSmall);
    assert.deepEqual(found, {
      // say whether that is many of all issues
      add_silence: ["issue"],
      set_policy: ["issue"],
      // once, for a customer who leaves
      forget_rows: ["kept_archive", "upload_message"],
      preview_forget: ["kept_archive", "upload_message"],
      // what another ingress took has its organization in its messages only: it is looked up by time
      uploads_since: ["archive", "upload_message"],
    });
    // those that need a cluster, and a policy to end
    assert.deepEqual(refused, ["end_policy", "explain_report", "refuse_foreign_row"]);
  }));

/** What recomputes everything, and the thousand clusters that reported last. */
const ofTheFleet = ["drift", "recent_decision"];

test("a view that is asked about a cluster reads what belongs to it, and not its organization", () =>
  withFleet(async (db) => {
    const views = await rows(
      db,
      `select c.oid::regclass::text as name, a.attname as column from pg_class c
       join pg_attribute a on a.attrelid = c.oid and a.attname in ('cluster', 'cluster_id')
       where c.relkind = 'v'
         and c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace, 'aggregator'::regnamespace)
         and c.relname <> all ($1)
       order by 1`,
      [ofTheFleet],
    );
    const found: Record<string, string[]> = {};
    for (const { name, column } of views) {
      const tables = await readsTooMuchOf(db, `select * from ${name} where ${column} = '${one}'`);
      if (tables.length > 0) found[String(name)] = tables;
    }
    assert.deepEqual(found, {});
  }));
