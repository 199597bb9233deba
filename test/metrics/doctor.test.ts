import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { exitCode, skewOf } from "../../src/cli/doctor.ts";
import type { Finding } from "../../src/metrics/sql.ts";
import { aCluster, loadContent, reportAndDecide, rows, setPolicy } from "../support/builders.ts";
import { runCcx } from "../support/command.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { openTopics } from "../support/kafka.ts";
import { until } from "../support/until.ts";

const database = testDatabase();

const aWorker = `insert into worker (pool_id, host, pid, roles, version, started_at, unbroken_since, seen_at)
  values ('worker', 'here', 1, '{work}', '1', now(), now(), now())`;

/** A database about which there is nothing to say. */
async function makeWell(db: PoolClient): Promise<void> {
  await loadContent(db, ["disk"], new Date(Date.now() - 20 * 24 * 3_600_000).toISOString());
  await db.query(aWorker);
}

type Fault = [topic: string, finding: RegExp, make: (db: PoolClient) => Promise<unknown>];

const by =
  (...statements: string[]) =>
  async (db: PoolClient) => {
    for (const statement of statements) await db.query(statement);
  };

const twoHours = "now() - interval '2 hours'";
const anArchive = `insert into archive (request_id, org_id, principal, service, category, content_type, size,
    sha256, store, object_key, b64_identity, received_at, stored_at)
  values ('r', 1, '1', 'openshift', 'periodic', 'x', 1, sha256('x'), 'folder', 'x', 'x', now(), now() - interval '60 hours')`;
const aMinuteAgo = new Date(Date.now() - 60_000).toISOString();
const yesterday = new Date(Date.now() - 24 * 3_600_000).toISOString();

const faults: Fault[] = [
  ["content", /^no rule has content$/, by("delete from rule_content")],
  [
    "content",
    /^content last changed 40 days ago$/,
    by("update rule_content set validity = tstzrange(now() - interval '40 days', null)"),
  ],
  [
    "content",
    /^1 rules that reports name have no content$/,
    by("insert into rule (component, error_key) values ('x.y.unheard_of.report', 'K')"),
  ],
  ["content", /^loads of content are refused since /, by("select note_held_load('would end 9 of 10')")],
  [
    "content",
    /^1 rules or error keys do not conform$/,
    by("insert into content_refusal values ('bad', null, '{no text}', now(), 'here')"),
  ],
  [
    "registry",
    /^the source http of the registry of clusters has failed for 120 minutes: answers with HTTP 500$/,
    by(
      "select ccx.note_registry('http', 'answers with HTTP 500')",
      `update registry_source set failed_at = ${twoHours}`,
    ),
  ],
  [
    "registry",
    /^nobody has asked the source http of the registry of clusters for 120 minutes, though it is to be asked every 5 minutes$/,
    by(
      "select ccx.note_registry('http', null, '5 minutes')",
      `update registry_source set asked_at = ${twoHours}`,
    ),
  ],
  [
    "registry",
    /^1 lines of the source file of the registry of clusters do not conform$/,
    by(
      "select ccx.read_registry('{2}', '{x}', '{11}', '{}', '{}', '{}', '{}')",
      "select load_registry('file')",
    ),
  ],
  [
    "policy",
    /^the policy of notifications backend holds every rule/,
    (db) => setPolicy(db, "notifications backend", { required_tags: ["nobody_has_it"] }, aMinuteAgo),
  ],
  [
    "policy",
    /^no target is switched on$/,
    (db) => setPolicy(db, "notifications backend", { enabled: false }, aMinuteAgo),
  ],
  [
    "decide",
    /^1 clusters wait for a decision, the oldest for 120 minutes$/,
    by(`insert into decision_due (org_id, cluster, due_at) values (1, 'c', ${twoHours})`),
  ],
  [
    "deliver",
    /^\d messages to notifications backend wait, the oldest for 1440 minutes$/,
    async (db) => {
      await reportAndDecide(db, aCluster(), yesterday, ["disk"]);
    },
  ],
  [
    "deliver",
    /^\d messages to notifications backend were given up$/,
    async (db) => {
      await reportAndDecide(db, aCluster(), yesterday, ["disk"]);
      await db.query(
        "update notification set state = 'dead', ended_at = now() - interval '1 hour', failure = 'client', leased_until = null",
      );
    },
  ],
  [
    "deliver",
    /^the circuit of service log is open: no route$/,
    by(
      `update circuit set opened_at = now(), retry_at = now() + interval '1 hour', last_error = 'no route'
     where target_id = (select id from event_targets where name = 'service log')`,
    ),
  ],
  [
    "ingest",
    /^the last report was stored 240 minutes ago$/,
    by(
      `insert into consumer_offset (topic, partition, next_offset, stored_at)
     values ('t', 0, 5, now() - interval '4 hours')`,
    ),
  ],
  [
    "rejected",
    /^2 messages were rejected within an hour$/,
    by(
      `insert into rejected_message (topic, partition, kafka_offset, reason, detail)
     values ('t', 0, 1, 'not_json', 'it is not'), ('t', 0, 2, 'empty', 'it is')`,
    ),
  ],
  [
    "upload",
    /^1 announcements of archives were given up$/,
    by(
      anArchive,
      `insert into upload_message (request_id, archive_id, kind, service, due_at, died_at)
       select request_id, archive_id, 'announcement', service, null, now() from archive`,
    ),
  ],
  [
    "upload",
    /^1 statuses of uploads wait for Kafka, the oldest for 120 minutes$/,
    by(
      `insert into upload_message (request_id, kind, service, status, noted_at)
       values ('r', 'status', 'ingress', 'received', ${twoHours})`,
    ),
  ],
  [
    "analyze",
    /^1 archives wait since most of their rules took too long$/,
    by(
      `insert into analysis (topic, partition, kafka_offset, received_at, state, next_attempt_at, failure)
       values ('t', 0, 0, now(), 'waiting', now(), 'overloaded')`,
    ),
  ],
  ["upload", /^contents of archives in the store folder are kept for longer/, by(anArchive)],
  [
    "adoption",
    /^ccx adopt was begun 120 minutes ago and has not ended$/,
    by(`update side_by_side set mode = 'adopting', since = ${twoHours}`),
  ],
  [
    "adoption",
    /^ccx adopt --undo was begun 120 minutes ago and has not ended$/,
    by(`update side_by_side set mode = 'leaving', since = ${twoHours}`),
  ],
  ["worker", /^no worker lives$/, by("delete from worker")],
  [
    "worker",
    /^1 workers fell silent$/,
    by(aWorker.replace("'worker'", "'other'").replace(/now\(\)\)$/, `${twoHours})`)),
  ],
  [
    "queue",
    /^sweep job runs since /,
    by(
      "select graphile_worker.add_job('sweep')",
      `update graphile_worker._private_jobs set locked_at = ${twoHours}, locked_by = 'worker'`,
    ),
  ],
  [
    "queue",
    /^1 jobs of retain failed for the last time$/,
    by(
      "select graphile_worker.add_job('retain')",
      "update graphile_worker._private_jobs set attempts = max_attempts",
    ),
  ],
];

test("there is nothing to say about a database that is well", () =>
  rolledBack(database.pool, async (db) => {
    await makeWell(db);
    assert.deepEqual(await rows(db, "select topic, finding from doctor"), []);
  }));

for (const [topic, finding, make] of faults)
  test(`the doctor finds, about ${topic}: ${finding.source}`, () =>
    rolledBack(database.pool, async (db) => {
      await makeWell(db);
      await make(db);
      const found = await rows(db, "select * from doctor where topic = $1", [topic]);
      assert.ok(
        found.some((row) => finding.test(String(row.finding))),
        JSON.stringify(found),
      );
      for (const row of found) assert.ok(row.meaning && row.what_to_do && row.severity);
    }));

test("what a user may not use is an error, with an example", () =>
  rolledBack(database.pool, async (db) => {
    await db.query(`create role doctor_${process.pid}; grant usage on schema public, ccx to doctor_${process.pid};
      grant usage on schema graphile_worker to doctor_${process.pid};
      grant select on all tables in schema public, ccx, graphile_worker to doctor_${process.pid};
      grant execute on all functions in schema public, ccx to doctor_${process.pid};
      revoke execute on function ccx.ingest from public, doctor_${process.pid};
      set local role doctor_${process.pid}`);
    const found = await rows(db, "select severity, finding from doctor where topic = 'privileges'");
    assert.equal(found.length, 1);
    assert.match(String(found[0]?.finding), /may not use 1 function, among them (ccx\.)?ingest\(/);
    assert.equal(found[0]?.severity, "error");
  }));

test("a transaction that somebody prepared and left counts as an open one, until what the doctor says ends it", async () => {
  const theirs = await database.pool.connect();
  await theirs.query("begin; select from circuit for update; prepare transaction 'it''s theirs'");
  const ended = theirs.query("update circuit set failures = failures"); // waits for it
  try {
    const waits = "select from sessions where waits_for = '{0}' and state = 'active'";
    await until("somebody waits", async () => (await rows(database.pool, waits)).length > 0);
    const statement = await rolledBack(database.pool, async (db) => {
      await makeWell(db);
      assert.deepEqual(await rows(db, "select finding from doctor"), [], "of now it is");
      await db.query(`do $$ begin
        execute replace(pg_get_functiondef('ccx.open_sessions()'::regprocedure), 'x.prepared,', 'x.prepared - interval ''1 hour'',');
      end $$`);
      const [metrics] = await rows(db, "select * from metrics_postgres");
      assert.equal(metrics?.prepared_transactions, 1);
      for (const name of ["oldest_transaction_seconds", "oldest_idle_transaction_seconds"])
        assert.ok(Number(metrics?.[name]) >= 3_600, `${name} ${metrics?.[name]}`);
      const found = await rows(db, "select finding, what_to_do from doctor");
      assert.deepEqual(
        found.map(({ finding }) => finding),
        ["the transaction 'it''s theirs' has been prepared for 60 minutes"],
      );
      return /rollback prepared .+$/.exec(String(found[0]?.what_to_do))?.[0] ?? "";
    });
    await database.pool.query(statement);
  } finally {
    await database.pool.query("rollback prepared 'it''s theirs'").catch(() => undefined);
    await ended;
    theirs.release();
  }
});

test("ccx doctor ends with 2 for errors, 1 for warnings, 0 when all is well", async () => {
  await using topics = await openTopics();
  const env = {
    DATABASE_URL: database.url,
    KAFKA_BROKERS: topics.brokers,
    CCX_RESULTS_TOPIC: topics.results,
    CCX_NOTIFICATIONS_TOPIC: topics.notifications,
  };
  const doctor = async (more: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await runCcx(["doctor", "--json"], { ...env, ...more });
    assert.equal(stderr, "");
    return {
      code,
      found: (JSON.parse(stdout) as Finding[]).map(({ topic, finding }) => `${topic}: ${finding}`),
    };
  };
  assert.deepEqual(await doctor(), {
    code: 2,
    found: ["content: no rule has content", "worker: no worker lives"],
  });
  const db = await database.pool.connect();
  try {
    await makeWell(db);
    assert.deepEqual(await doctor(), { code: 0, found: [] });
    const { stdout } = await runCcx(["doctor"], env);
    assert.equal(stdout, "All is well.\n");
    await db.query("update worker set seen_at = now() - interval '1 hour' where pool_id = 'other'");
    await db.query(
      "insert into decision_due (org_id, cluster, due_at) values (1, 'c', now() - interval '2 hours')",
    );
    assert.deepEqual(await doctor(), {
      code: 1,
      found: ["decide: 1 clusters wait for a decision, the oldest for 120 minutes"],
    });
    await db.query("delete from decision_due");
    const position = "insert into consumer_offset (topic, partition, next_offset) values ($1, 0, $2)";
    await db.query(position, [topics.results, 5_000]);
    assert.deepEqual(await doctor(), {
      code: 2,
      found: [`kafka: partition 0 of topic ${topics.results} ends at 0, and the database has it up to 5000`],
    });
    await db.query("delete from consumer_offset");
  } finally {
    db.release();
  }
  await database.pool.query(anArchive);
  const { found } = await doctor({
    CCX_ANNOUNCEMENTS_TOPIC: "nobody.made.it",
    CCX_PAYLOAD_STATUS_TOPIC: "nor.this",
  });
  assert.deepEqual(
    found.filter((finding) => finding.startsWith("kafka")),
    ["nobody.made.it", "nor.this"].map((topic) => `kafka: topic ${topic} does not exist`),
  );
  await database.pool.query("delete from archive");
  const elsewhere = await doctor({ CCX_RESULTS_TOPIC: "nobody.made.it" });
  assert.deepEqual(elsewhere, { code: 2, found: ["kafka: topic nobody.made.it does not exist"] });
  const away = await doctor({ KAFKA_BROKERS: "127.0.0.1:1" });
  assert.equal(away.code, 2);
  assert.match(away.found.join(), /^kafka: no broker answers: /);
  const noDatabase = await doctor({ DATABASE_URL: "postgres://ccx@127.0.0.1:1/ccx" });
  assert.equal(noDatabase.code, 2);
  assert.match(noDatabase.found.join(), /^database: .*ECONNREFUSED/);
});

test("a clock is off by what cannot be the way there and back", () => {
  const at = (ms: number) => new Date(ms).toISOString();
  assert.deepEqual(skewOf(at(5_000), 4_000, 6_000), []);
  assert.deepEqual(skewOf(at(5_000), 5_500, 6_000), []);
  assert.match(skewOf(at(0), 5_000, 6_000)[0]?.finding ?? "", /5\.0 s behind$/);
  assert.match(skewOf(at(9_000), 1_000, 2_000)[0]?.finding ?? "", /7\.0 s ahead$/);
  assert.equal(exitCode([]), 0);
});
