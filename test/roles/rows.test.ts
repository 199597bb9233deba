import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import { after, before, test } from "node:test";
import type { Pool, PoolClient } from "pg";
import {
  addReports,
  claim,
  decideDue,
  failed,
  ingest,
  loadContent,
  rows,
  settle,
  value,
} from "../support/builders.ts";
import { openDatabase, rolledBack } from "../support/database.ts";
import { addSilence, setScopedPolicy } from "../support/policies.ts";
import { makeRoles, openLogins } from "../support/role_logins.ts";

let database: Awaited<ReturnType<typeof openDatabase>>;
let logins: Awaited<ReturnType<typeof openLogins>>;
let reader: Pool;
let results: Pool;

const [ours, theirs] = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"];
/** Stands in every row and text of organization 2, and nowhere else. */
const secret = "SECRET";
const at = "2026-03-02T12:00:00Z";

/** Something of organizations 1 and 2 in every table that has rows of organizations. */
async function fill(db: PoolClient): Promise<void> {
  await loadContent(db, ["disk", "net"]);
  await addReports(
    db,
    [ours, theirs].flatMap((cluster, nth) => [
      { cluster, org: nth + 1, at: "2026-03-01T12:00:00Z", hits: ["disk", "net", "gone"] },
      { cluster, org: nth + 1, at, hits: ["disk", "net"] },
      {
        cluster,
        org: nth + 1,
        at: "2026-03-01T10:00:00Z",
        hits: `not json, of ${nth === 0 ? "us" : secret}`,
      },
    ]),
  );
  await db.query("update new_reports set account_number = 424242 where org_id = 2");
  await decideDue(db, at);
  const claimed = await claim(db, at, 10);
  for (const one of claimed) {
    const text = one.cluster === theirs ? secret : "ours";
    const { id, attempt } = one;
    await settle(db, [failed({ id, attempt }, { permanent: true, failure: "client", error: text })], at);
  }
  for (const [org, cluster, text] of [
    [1, ours, "of ours"],
    [2, theirs, `of ${secret}`],
  ] as const) {
    await addSilence(db, { org_id: org, rule: "disk", reason: text });
    await addSilence(db, { cluster, rule: "net", reason: text });
    await setScopedPolicy(db, { org }, { max_events: org }, at, text);
    await setScopedPolicy(db, { org, rule: "disk" }, { max_events: org }, "2036-01-01T00:00:00Z", text);
    const planned = await value(db, "select max(id) from policy");
    await db.query("select withdraw_policy($1, $2)", [planned, text]);
    await db.query(
      "insert into rule_disable (org_id, rule_id, error_key, justification) values ($1, 'net', '', $2)",
      [String(org), text],
    );
    await db.query(
      `insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
         notified_at, event_type_id)
       values ($1, 1, $2, 1, 1, $3, $4, $4, 1)`,
      [org, cluster, text, at],
    );
    await db.query("select acknowledge($1, 'disk', $2)", [org, cluster]);
    await ingest(
      db,
      [
        {
          kafka_offset: org,
          reason: "not_object",
          detail: text,
          key: null,
          value: "e30=",
          headers: null,
          org_id: org,
          cluster,
        },
      ],
      { at, partition: org },
    );
    await db.query("update rejected_message set org_id = $1 where detail = $2", [org, text]);
    await db.query(
      "insert into stuck_cluster (org_id, cluster, reason, since, next_try_at, by_report) values ($1, $2, $3, now(), now(), true)",
      [org, cluster, text],
    );
    await db.query("insert into decision_request (cause, org_id, due_at) values ($1, $2, now())", [
      text,
      org,
    ]);
    await db.query(
      `insert into render_failure (issue_id, target_id, content_id, occurrence, failed_at, error)
       select i.id, 1, (select min(id) from rule_content), 1, now(), $2 from issue i where i.org_id = $1`,
      [org, text],
    );
  }
  // what only other rooms write
  for (const [org, cluster, text] of [
    [1, ours, "open"],
    [2, theirs, secret],
  ])
    await db.query(
      `with their_archive as (
        insert into archive (request_id, org_id, principal, cluster, service, category, content_type, size, sha256,
          store, object_key, b64_identity, received_at)
        values ($3, $1, 'me', $2, 'openshift', 'periodic', 'application/gzip', 0, sha256(convert_to($3, 'UTF8')), 'database', $3,
          '', now())
        returning archive_id
      ), announced as (
        insert into upload_message (request_id, archive_id, kind, org_id, service)
        select $3, a.archive_id, 'announcement', $1, 'openshift' from their_archive a
      ), analyzed as (
        insert into analysis (topic, partition, kafka_offset, request_id, org_id, cluster, received_at, state)
        values ('uploads', 0, $1, $3, $1, $2, now(), 'published')
        returning id
      ), kept as (
        insert into kept_archive (analysis_id, request_id, org_id, cluster, announced_at, kept_at)
        select a.id, $3, $1, $2, now(), now() from analyzed a
      ), registered as (
        insert into cluster_registry (cluster, org_id, display_name) values ($2, $1, $3)
      ), rated as (
        insert into advisor_ratings (org_id, rule_fqdn, error_key, rating) values ($1, $3, 'KEY', 1)
      ), voted as (
        insert into cluster_rule_user_feedback (cluster_id, rule_id, error_key, user_id, org_id)
        values ($2, $3, 'KEY', 'me', $1)
      ), explained as (
        insert into cluster_user_rule_disable_feedback (cluster_id, rule_id, error_key, user_id, org_id, message)
        values ($2, $3, 'KEY', 'me', $1, '')
      ), worked as (
        insert into workload_report (cluster, org_id, updated_at, received_at, recommendations)
        values ($2, $1, now(), now(), '[]')
      ), named as (
        insert into workload_namespace (cluster, namespace_id, org_id, name, reported_at, recommendations, objects, hits)
        values ($2, $3, $1, $3, now(), 1, 1, '[]')
      ), sent as (
        insert into reported_elsewhere (org_id, cluster, notified_at, target_id) values ($1, $2, now(), 1)
      )
      insert into api_token (token_hash, org_id, name) values (sha256(convert_to($3, 'UTF8')), $1, $3)`,
      [org, cluster, text],
    );
}

before(async () => {
  database = await openDatabase();
  await database.pool.query("update policy set max_report_age = null").catch(() => undefined);
  await makeRoles(database.url);
  const db = await database.pool.connect();
  await db.query(`set session_replication_role = replica; update policy set max_report_age = null;
    set session_replication_role = default`);
  await fill(db);
  db.release();
  logins = await openLogins(database.url);
  const user = await logins.login("ccx_reader");
  reader = user.pool;
  await database.pool.query("insert into organization_reader values ($1, 1)", [user.name]);
  results = (await logins.login("ccx_results")).pool;
});
after(async () => {
  await logins[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** What of organization 2 a row must not show. */
const foreign = async (): Promise<RegExp> => {
  const ids = await rows(database.pool, `select message_id::text as id from notification where org_id = 2`);
  assert.ok(ids.length > 0);
  return new RegExp([secret, theirs, "424242", ...ids.map(({ id }) => String(id))].join("|"));
};

const relations = () =>
  rows(
    database.pool,
    `select c.oid::regclass::text as name, c.relkind as kind from pg_class c
     where c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace) and c.relkind in ('r', 'p', 'v')
     order by 1`,
  );

/** The rows of everything that the user may read at all, as text. */
async function readAll(db: PoolClient): Promise<Map<string, string[]>> {
  const read = new Map<string, string[]>();
  for (const { name } of await relations()) {
    await db.query("savepoint attempt");
    try {
      read.set(
        String(name),
        (await rows(db, `select to_jsonb(r)::text as row from ${name} r`)).map(({ row }) => String(row)),
      );
    } catch (error) {
      assert.match(String((error as Error).message), /^permission denied/, String(name));
      await db.query("rollback to savepoint attempt");
    }
  }
  return read;
}

test("the owner sees both organizations in every table that has rows of organizations", async () => {
  for (const { name } of await rows(
    database.pool,
    "select name from ccx.organization_policy where condition <> '{-1}' and name not in ('organization_reader', 'decision_due', 'occurrence', 'notified_issue', 'acknowledged_rule')",
  )) {
    const all = (await rows(database.pool, `select to_jsonb(r)::text as row from ${name} r`)).map(({ row }) =>
      String(row),
    );
    const isTheirs = (row: string) =>
      /SECRET|22222222|"org_id": "?2\b/.test(row) || name === "render_failure";
    assert.ok(all.some(isTheirs), `nothing of organization 2 in ${name}`);
    assert.ok(
      all.some((row) => !isTheirs(row)) || name === "render_failure",
      `nothing of organization 1 in ${name}`,
    );
  }
});

test("what was counted of the whole fleet is for whoever sees every organization", async () => {
  await database.pool.query(`select ask_survey(kind, arguments) from (values ('decisions', '{}'::jsonb), ('noise', '{}'),
    ('backtest', '{"target": "service log", "from": "2026-03-01", "to": "2026-03-02"}')) s (kind, arguments)`);
  while ((await value(database.pool, "select run_survey_part()")) !== null);
  await database.pool.query("select ccx.count_busy_hours(now())");
  const tables = await rows(
    database.pool,
    "select name from ccx.organization_policy where condition = '{-1}' order by name",
  );
  assert.ok(tables.length > 4);
  for (const { name } of tables) {
    assert.notEqual(await value(database.pool, `select count(*) from ${name}`), "0", String(name));
    assert.equal(await value(reader, `select count(*) from ${name}`), "0", String(name));
  }
});

test("a reader sees its organization through every table and view, and nothing of another", async () => {
  const forbidden = await foreign();
  await rolledBack(reader, async (db) => {
    const read = await readAll(db);
    const leaks = [...read].filter(([, all]) =>
      all.some((row) => forbidden.test(row) || /"org_id": "?2\b/.test(row)),
    );
    assert.deepEqual(leaks, []);
    for (const name of [
      "new_reports",
      "issue",
      "notification",
      "notified_issue",
      "occurrence",
      "reported",
      "silence",
      "policy",
      "rule_disable",
      "cluster_rule_toggle",
      "acknowledgement",
      "rejected_message",
      "read_errors",
      "stuck_cluster",
      "render_failure",
      "withdrawn_policy",
      "latest_report",
      "workload_report",
      "workload_namespace",
      "explain_notification",
      "silences",
      "policies",
      "policy_history",
      "acknowledgements",
    ])
      assert.ok((read.get(name)?.length ?? 0) > 0, `the reader sees nothing in ${name}`);
    const counted = await rows(
      db,
      `select count(*)::integer as n from notified_issue
      union all select count(*) from occurrence`,
    );
    const all = await rows(
      database.pool,
      `select count(*)::integer as n from notified_issue l join issue i on i.id = l.issue_id and i.org_id = 1
      union all select count(*) from occurrence o join issue i on i.id = o.issue_id and i.org_id = 1`,
    );
    assert.deepEqual(counted, all);
  });
});

test("no function shows a reader anything of another organization, whatever it is asked", async () => {
  const forbidden = await foreign();
  const ids = await value(database.pool, "select array_agg(id) from notification where org_id = 2");
  const id = (ids as string[])[0];
  const samples: Record<string, string> = {
    bigint: "2",
    integer: "1",
    text: `'${theirs}'`,
    boolean: "true",
    "timestamp with time zone": "'2026-03-03T00:00:00Z'",
    interval: "'30 days'",
    "bigint[]": `'{2,${(ids as string[]).join(",")}}'`,
    "text[]": `'{${theirs}}'`,
    jsonb: "'{}'",
    date: "'2026-03-02'",
    uuid: "gen_random_uuid()",
    numeric: "1",
  };
  const functions = await rows(
    database.pool,
    `select p.pronamespace::regnamespace || '.' || p.proname as name, array(select format_type(t, null) from unnest(p.proargtypes) t) as types
     from pg_proc p where p.pronamespace in ('public'::regnamespace, 'ccx'::regnamespace) and p.prokind = 'f'
       and p.prorettype not in ('trigger'::regtype)
       and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
     order by 1`,
  );
  const leaks: string[] = [];
  let answered = 0;
  await rolledBack(reader, async (db) => {
    await db.query("set local statement_timeout = '5s'; set local client_min_messages = error");
    for (const { name, types } of functions)
      for (const text of [theirs, "notifications backend", "disk"])
        for (const number of ["2", id]) {
          const given = (types as string[]).map((type) =>
            type === "text" ? `'${text}'` : type === "bigint" ? String(number) : (samples[type] ?? "null"),
          );
          await db.query("savepoint attempt");
          try {
            const found = await rows(
              db,
              `select to_jsonb(f)::text as row from ${name}(${given.map((value, nth) => `${value}::${(types as string[])[nth]}`).join(", ")}) f`,
            );
            answered += found.length;
            // what was asked comes back from functions that only rewrite it
            const shown = found.map(({ row }) =>
              String(row).replaceAll(theirs, "").replaceAll(String(id), ""),
            );
            if (shown.some((row) => forbidden.test(row)))
              leaks.push(`${name}(${given.join(", ")}): ${shown[0]}`);
          } catch {
            // refused, or no right: nothing is shown
          } finally {
            await db.query("rollback to savepoint attempt");
          }
        }
  });
  assert.deepEqual(leaks, []);
  assert.ok(answered > 200, `${answered} rows`);
});

test("no catalog, export or function of its own shows a reader anything of another organization", async () => {
  const forbidden = await foreign();
  await database.pool.query("analyze");
  const leaks: string[] = [];
  const heard: string[] = [];
  await rolledBack(reader, async (db) => {
    db.on("notice", ({ message = "" }) => heard.push(message));
    await db.query(`set local client_min_messages = notice;
      create temp table organization_reader (reader name, org_id bigint);
      insert into organization_reader values (current_user, null), (current_user, 2);
      create function pg_temp.says(what text) returns boolean language plpgsql cost 0.0000001
      as $$ begin raise notice '%', what; return true; end $$;
      set local search_path = pg_temp, public, ccx`);
    const read = async (sql: string) => {
      await db.query("savepoint attempt");
      const found = await rows(db, sql).catch(() => []);
      await db.query("rollback to savepoint attempt");
      const said = heard.splice(0).concat(found.map((row) => JSON.stringify(row)));
      const shown = said.find((text) => forbidden.test(text));
      if (shown) leaks.push(`${sql}: ${shown.slice(0, 300)}`);
      return said.length;
    };
    // what the server copies out, which the client does not keep
    const { connection } = db as unknown as { connection: EventEmitter };
    const copied = ({ chunk }: { chunk: Buffer }) => heard.push(chunk.toString());
    connection.on("copyData", copied);
    let own = 0;
    let ofCopy = 0;
    for (const { name } of await relations()) {
      await read(`select table_to_xml('${name}', true, false, '')::text as x`);
      own += await read(`select from ${name} r where pg_temp.says(r::text)`);
      ofCopy += await read(`copy ${name} to stdout`);
      ofCopy += await read(`copy (select * from ${name}) to stdout (format csv)`);
    }
    connection.off("copyData", copied);
    assert.ok(ofCopy > 50, "and may copy them");
    assert.ok(own > 50, "its own rows it sees in each way");
    for (const view of [
      ...["pg_stats", "pg_stats_ext", "pg_stats_ext_exprs", "pg_statistic", "pg_stat_activity"],
      ...["pg_sequences", "pg_largeobject", "pg_prepared_statements", "pg_cursors", "pg_locks"],
      ...["pg_stat_progress_copy", "pg_description", "pg_shdescription", "pg_db_role_setting"],
    ])
      await read(`select x::text from pg_catalog.${view} x`);
    await read("select schema_to_xml('public', true, false, '')::text as x");
    await read("select schema_to_xml('ccx', true, false, '')::text as x");
    await read("select database_to_xml(true, false, '')::text as x");
    await read(`select query_to_xml('select * from public.new_reports', true, false, '')::text as x`);
    await read("select * from public.new_reports tablesample system (100)");
    await read("select ctid, xmin, tableoid::regclass, * from public.issue");
    db.removeAllListeners("notice");
  });
  assert.deepEqual(leaks, []);
});

test("a reader without an organization sees none, one with all of them sees all", async () => {
  const { name, pool } = await logins.login("ccx_reader");
  const seen = "select count(*)::integer from issue";
  assert.equal(await value(pool, seen), 0);
  assert.equal(await value(pool, "select count(*)::integer from explain_notification"), 0);
  await database.pool.query("insert into organization_reader values ($1, null)", [name]);
  assert.equal(await value(pool, seen), await value(database.pool, seen));
  await database.pool.query("update organization_reader set org_id = 2 where reader = $1", [name]);
  assert.deepEqual(await rows(pool, "select distinct org_id::integer from issue"), [{ org_id: 2 }]);
  assert.equal(
    await value(pool, "select count(*)::integer from organization_reader"),
    1,
    "its own row alone",
  );
});

test("ccx_results sees the organization of its transaction, and none without one", async () => {
  const forbidden = await foreign();
  const everything =
    "select (select count(*) from issue)::integer + (select count(*) from new_reports)::integer";
  assert.equal(await value(results, everything), 0);
  await rolledBack(results, async (db) => {
    await db.query("select set_config('ccx.organization', '1', true)");
    const read = await readAll(db);
    for (const name of ["new_reports", "issue", "latest_report", "rule_disable", "acknowledgement"])
      assert.ok((read.get(name)?.length ?? 0) > 0, name);
    const leaks = [...read].filter(([, all]) =>
      all.some((row) => forbidden.test(row) || /"org_id": "?2\b/.test(row)),
    );
    assert.deepEqual(leaks, []);
    await assert.rejects(
      db.query("insert into rule_disable (org_id, rule_id, error_key) values ('2', 'disk', '')"),
      /row-level security/,
    );
    await db.query("rollback; begin");
    assert.equal(await value(db, everything), 0, "the setting has gone with its transaction");
    await db.query("select set_config('ccx.organization', 'all', true)");
    await assert.rejects(db.query(everything), { code: "22P02" });
    await db.query("rollback; begin; select set_config('ccx.organization', '1', true)");
    await db.query("insert into rule_disable (org_id, rule_id, error_key) values ('1', 'disk', '')");
    assert.equal(
      (await db.query("update rule_disable set justification = 'x' where org_id = '2'")).rowCount,
      0,
    );
    assert.equal((await db.query("delete from rule_disable where org_id = '2'")).rowCount, 0);
  });
});

/** A line of a plan without costs and values; the order of what is filtered by is no matter. */
function asNode(line: string): string {
  if (line.startsWith("Query Parameters")) return "";
  const text = line
    .replaceAll(/\(cost=[^)]*\)/g, "")
    .replaceAll(/'[^']*'(::[a-z ]+(\[\])?)?|[$]\d+/g, "?")
    .trimEnd();
  return / (Filter|Cond): /.test(text) ? text.split(/\W+/).sort().join(" ") : text;
}

/** The plans of everything that a statement runs, as auto_explain says. */
async function plansOf(db: PoolClient, role: string | undefined, sql: string[]): Promise<string[]> {
  const plans: string[] = [];
  const note = ({ message }: { message?: string | undefined }) => {
    const [, plan] = /plan:\n([\s\S]*)/.exec(message ?? "") ?? [];
    if (plan) plans.push(plan.split("\n").map(asNode).filter(Boolean).join("\n"));
  };
  await db.query(`load 'auto_explain'; set local auto_explain.log_min_duration = 0;
    set local auto_explain.log_nested_statements = on; set local client_min_messages = log; set local jit = off;
    set local plan_cache_mode = force_custom_plan; set local enable_seqscan = off`);
  if (role) await db.query(`set local role ${role}`);
  db.on("notice", note);
  for (const statement of sql) await db.query(statement);
  db.off("notice", note);
  await db.query("reset role");
  return plans;
}

test("policies do not change a plan of ingest, decide and delivery", async () => {
  await database.pool.query("insert into decision_due (org_id, cluster) values (1, $1)", [ours]);
  await database.pool.query("analyze");
  const batch = JSON.stringify([
    {
      kafka_offset: 100,
      org_id: 3,
      account_number: 1,
      cluster: ours.replaceAll("1", "3"),
      report: '{"reports": []}',
      updated_at: at,
    },
  ]);
  for (const [role, ...sql] of [
    ["ccx_ingest", `select * from ccx.ingest('results', 7, '${batch}'::jsonb)`],
    ["ccx_decide", "select * from ccx.decide_due(10)"],
    ["ccx_deliver", "select * from ccx.claim_notifications('notifications backend', 10, '1 minute')"],
  ] as [string, ...string[]][]) {
    const plans: string[][] = [];
    for (const as of [undefined, role])
      plans.push(await rolledBack(database.pool, (db) => plansOf(db, as, sql)));
    assert.ok((plans[0]?.length ?? 0) > 3, `${plans[0]?.length} plans of ${role}`);
    assert.deepEqual(plans[1], plans[0], role);
  }
});
