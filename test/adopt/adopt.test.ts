import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { adopt, undo } from "../../src/adopt/adopt.ts";
import { defaults, planOf } from "../../src/adopt/plan.ts";
import { createLogger } from "../../src/log.ts";
import { adoptionIsWhole, goService, theirSchema } from "../support/adoptions.ts";
import { rows, value } from "../support/builders.ts";
import { runCcx } from "../support/command.ts";
import { openDatabase, type TestDatabase } from "../support/database.ts";
import { clusterOf, fillVersionEight, versionEight } from "../support/incumbent.ts";

const log = createLogger("silent");

describe("a database of the notification writer", () => {
  let database: TestDatabase & AsyncDisposable;
  before(async () => {
    database = await openDatabase({ empty: true });
    await database.pool.query(versionEight);
    await fillVersionEight(database.pool, 60, 4);
  });
  after(() => database[Symbol.asyncDispose]());

  /** Ends the sessions of the adoption, as a server or a network does. */
  const kill = () =>
    database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'ccx adopt'`,
    );

  /** Interrupts the work once at each step it comes to, one step further each time, until it is done. */
  async function killedEverywhere<T>(work: (reached: (step: string) => Promise<void>) => Promise<T>) {
    const killed = new Set<string>();
    for (;;) {
      let [interrupted, over] = [false, false];
      try {
        const result = await work(async (step) => {
          assert.ok(!over, "it goes on although it has lost its connections");
          if (killed.has(step)) return;
          killed.add(step);
          interrupted = true;
          await kill();
        });
        return { result, killed: [...killed] };
      } catch (error) {
        over = true;
        assert.ok(interrupted, String(error instanceof Error ? error.stack : error));
      }
    }
  }

  test("is adopted, interrupted at each step, while the Go services write; and given back", async () => {
    const { pool, url } = database;
    const schemaBefore = await theirSchema(pool);
    const plan = await planOf(pool, defaults);
    assert.deepEqual(plan.problems, []);
    assert.deepEqual(plan.carried, {
      ...{ clusters: 60, reports: 60, sent: 20, unreadable: 0, future: 0 },
      bytes: plan.carried.bytes,
    });
    assert.deepEqual(await theirSchema(pool), schemaBefore, "--check changes nothing");

    const go = await goService(url);
    const adopted = await killedEverywhere((reached) => adopt({ databaseUrl: url, log, reached }, defaults));
    const written = await go.stop();
    assert.deepEqual(adopted.killed, [
      "begin",
      "build",
      "mirror",
      "sent",
      "reports",
      "swap",
      "load",
      "see",
      "end",
    ]);
    assert.ok(adopted.result.reports >= plan.carried.reports, JSON.stringify(adopted.result));
    assert.ok(adopted.result.sent >= plan.carried.sent, JSON.stringify(adopted.result));
    await adoptionIsWhole(pool, { clusters: 60, reportsEach: 4 }, written);

    const again = await adopt({ databaseUrl: url, log }, defaults);
    assert.deepEqual(again, adopted.result, "a second one finds it done");

    const goAgain = await goService(url);
    const given = await killedEverywhere((reached) => undo({ databaseUrl: url, log, reached }));
    const writtenLater = await goAgain.stop();
    const [back] = ["load", "mirror", "give back reports", "give back reported", "swap back", "drop"];
    assert.equal(given.killed[0], back);
    assert.ok(given.killed.includes("swap back") && given.killed.includes("drop"), given.killed.join());
    assert.deepEqual(await theirSchema(pool), schemaBefore, "nothing of ours is left");
    for (const table of ["new_reports", "(select * from reported where state = 1) reported"])
      assert.equal(
        await value(
          pool,
          `select count(*)::integer from ${table}
           where (org_id, cluster) in (select * from unnest($1::integer[], $2::text[]))`,
          [
            [...written.keys, ...writtenLater.keys].map(({ org }) => org),
            [...written.keys, ...writtenLater.keys].map(({ cluster }) => cluster),
          ],
        ),
        written.keys.length + writtenLater.keys.length,
        table,
      );
    const decided = await rows(
      pool,
      "select state, count(*)::integer as rows from reported where report = '' group by 1",
    );
    assert.ok(decided.length > 0, "what ours decided came back, too");
  });
});

test("ccx doctor names an adoption, and a way back, that was begun and has not ended", async () => {
  await using database = await openDatabase({ empty: true });
  const { pool, url } = database;
  await pool.query(versionEight);
  await fillVersionEight(pool, 3, 2);
  const upTo = (step: string) => ({
    databaseUrl: url,
    log,
    reached: (at: string) => {
      if (at === step) throw new Error(`stopped at ${step}`);
    },
  });
  const named = async () => {
    const ended = await runCcx(["doctor", "--json"], { DATABASE_URL: url, KAFKA_BROKERS: "127.0.0.1:1" });
    assert.equal(ended.code, 2, ended.stdout + ended.stderr);
    const found: { topic: string; finding: string }[] = JSON.parse(ended.stdout);
    return found.filter(({ topic }) => topic !== "kafka").map(({ topic, finding }) => `${topic}: ${finding}`);
  };
  const forward = /^adoption: ccx adopt was begun at .+ by .+ and has not ended$/;
  for (const step of ["mirror", "load", "see"]) {
    await assert.rejects(adopt(upTo(step), defaults), new RegExp(`stopped at ${step}`));
    const [finding, ...others] = await named();
    assert.match(String(finding), forward, step);
    assert.deepEqual(others, [], step);
  }
  await adopt({ databaseUrl: url, log }, defaults);
  assert.ok(!(await named()).some((finding) => finding.startsWith("adoption")));
  await assert.rejects(undo(upTo("drop")), /stopped at drop/);
  assert.deepEqual(await named(), ["adoption: ccx adopt --undo was begun and has not ended"]);
});

describe("a database with odd rows", () => {
  let database: TestDatabase & AsyncDisposable;
  before(async () => {
    database = await openDatabase({ empty: true });
    await database.pool.query(versionEight);
    await fillVersionEight(database.pool, 6, 2);
    // upper case; no UUID; empty; of 1990; of 2990; unreadable, with an older one that can be read
    await database.pool.query(
      `insert into new_reports (org_id, account_number, cluster, report, updated_at) values
         (60, 1, '0A000000-0000-4000-8000-00000000000A', '{"reports":[]}', now() at time zone 'UTC'),
         (60, 1, 'no uuid', '{"reports":[]}', '1990-01-01'),
         (60, 1, $1, '', now() at time zone 'UTC'),
         (60, 1, $2, '{"reports":[]}', '2990-01-01'),
         (60, 1, $3, 'no json', now() at time zone 'UTC'),
         (60, 1, $3, '{"reports":[]}', now() at time zone 'UTC' - interval '1 hour')`,
      [clusterOf(101), clusterOf(102), clusterOf(103)],
    );
    await database.pool.query(
      `insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
         notified_at, error_log, event_type_id)
       values (60, 1, '0A000000-0000-4000-8000-00000000000A', 1, 1, '{"reports":[]}',
         now() at time zone 'UTC', now() at time zone 'UTC' - interval '1 day', null, 2)`,
    );
  });
  after(() => database[Symbol.asyncDispose]());
  const ccx = (...args: string[]) => runCcx(["adopt", ...args], { DATABASE_URL: database.url });

  test("--check says what then happens, and changes nothing", async () => {
    const { pool } = database;
    await pool.query("create view of_theirs as select * from reported");
    const schemaBefore = await theirSchema(pool);
    const zone = ["--time-zone", "Europe/Prague"];
    const checked = await ccx("--check", "--json", ...zone);
    assert.equal(checked.code, 0, checked.stderr);
    const plan = JSON.parse(checked.stdout);
    assert.deepEqual(plan.problems, []);
    assert.match(
      plan.remarks.join("\n"),
      /^The view of_theirs reads reported.*\n1 clusters have no.*\n1 reports are of/,
    );
    assert.deepEqual(await theirSchema(pool), schemaBefore);
    const read = await ccx("--check");
    assert.match(
      read.stdout,
      /Copied: the newest report of 9 clusters, and 3 rows of what was sent within 8 days/,
    );
    assert.match(read.stdout, /new_reports +18 /);
    assert.equal(
      (await ccx("--undo", "--yes")).stderr,
      "ccx: load\nccx: There is no adoption to undo in this database.\n".slice(10),
    );
    const refused = await ccx();
    assert.equal(refused.code, 1, "without --yes and a terminal");

    const role = `adopt_writer_${process.pid}`;
    await pool.query(`create role ${role}; grant insert, select on new_reports to ${role}`);
    const adopted = await ccx("--yes", "--json", ...zone);
    const may = await rows(
      pool,
      `select right_name from unnest('{insert,select,delete}'::text[]) right_name
       where has_table_privilege('${role}', 'public.new_reports', right_name) order by 1`,
    );
    await pool.query(`drop owned by ${role}; drop role ${role}`);
    assert.deepEqual(
      may.map(({ right_name }) => right_name),
      ["insert", "select"],
      "rights follow",
    );
    assert.equal(adopted.code, 0, adopted.stderr);
    assert.deepEqual(JSON.parse(adopted.stdout), { reports: plan.carried.reports, sent: plan.carried.sent });
    assert.equal(plan.carried.reports, 9);
    for (const { table, rows: theirs } of plan.tables.filter((one: { table: string }) =>
      /report|error/.test(one.table),
    ))
      assert.equal(await value(pool, `select count(*)::integer from incumbent.all_${table}`), theirs, table);
    assert.equal(
      await value(
        pool,
        `select extract(epoch from o.updated_at - n.updated_at at time zone 'UTC') > 3000
         from incumbent.new_reports o join new_reports n on n.cluster = o.cluster
         where o.cluster = $1 order by o.updated_at desc limit 1`,
        [clusterOf(1)],
      ),
      true,
      "it was later in Prague",
    );
    assert.equal((await ccx("--yes")).code, 3, "once is enough");
    assert.equal((await ccx("--check", "--undo")).code, 1);
    assert.deepEqual(await rows(pool, "select * from drift"), []);
    assert.equal(await value(pool, "select count(*)::integer from latest_report"), 9);
  });

  test("shadow mode is chosen, shown and ended, and what differs is listed", async () => {
    const run = (...args: string[]) => runCcx(args, { DATABASE_URL: database.url });
    const chosen: [string, number][] = [
      ["on", 0],
      ["on", 3],
    ];
    for (const [mode, code] of chosen) assert.equal((await run("shadow", mode)).code, code);
    assert.match((await run("shadow", "show")).stdout, /^mode .*\nshadow /);
    assert.match((await run("shadow", "off")).stdout, /It is together now, it was shadow/);
    const since = ["compare", "--since"];
    assert.equal((await run(...since, "2000-01-01", "--until", "2000-01-02")).code, 3);
    const differing = JSON.parse((await run(...since, "2000-01-01", "--json")).stdout);
    assert.ok(differing.length > 0);
    assert.deepEqual(
      [...new Set(differing.map((row: { notified_by: string }) => row.notified_by))],
      ["theirs"],
    );
    for (const wrong of [[...since, "soon"], [...since, "now", "--until", "2000-01-01"], ["compare"]]) {
      const refused = await run(...wrong);
      assert.equal(refused.code, 1, refused.stdout);
      assert.doesNotMatch(refused.stderr, /^ +at /m);
    }
  });

  test("given back, a row in upper case is one row, and two targets at once are two", async () => {
    const { pool } = database;
    await pool.query(
      `insert into new_reports (org_id, account_number, cluster, report, updated_at)
       values (3000000000, 1, $1, '{"reports":[]}', now()), (60, 3000000000, $2, '{"reports":[]}', now())`,
      [clusterOf(200), clusterOf(201)],
    );
    await pool.query(
      `insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
         notified_at, error_log, event_type_id)
       select 60, 1, $1, 1, 2, '', now(), now(), '', target from generate_series(1, 2) target`,
      [clusterOf(201)],
    );
    await pool.query(
      `insert into read_errors (org_id, cluster, updated_at, error_text)
       select org_id, cluster, updated_at, 'odd' from new_reports where cluster = $1`,
      [clusterOf(201)],
    );
    await pool.query("insert into worker values ('w', 'h', 1, '{work}', '1', now(), now(), now())");
    const busy = await ccx("--undo", "--yes");
    assert.match(busy.stderr, /1 of our processes still work on this database/);
    await pool.query("delete from worker");
    const before = Number(await value(pool, "select count(*)::integer from incumbent.new_reports"));
    const undone = await ccx("--undo", "--yes", "--json");
    assert.equal(undone.code, 0, undone.stderr);
    assert.equal(JSON.parse(undone.stdout).leftOut, 1);
    assert.equal(await value(pool, "select count(*)::integer from new_reports"), before + 1);
    assert.equal(
      await value(pool, "select count(*)::integer from new_reports where cluster ilike '0a000000%'"),
      1,
    );
    assert.deepEqual(
      await rows(pool, "select event_type_id from reported where cluster = $1 order by notified_at", [
        clusterOf(201),
      ]),
      [{ event_type_id: 1 }, { event_type_id: 2 }],
    );
    assert.equal(await value(pool, "select count(*)::integer from read_errors where error_text = 'odd'"), 1);
  });

  test("whoever keeps a table to himself is named, and waited for no longer than half a second", async () => {
    const { pool, url } = database;
    const reader = await pool.connect();
    await reader.query("begin; set local application_name = 'somebody'; select count(*) from states");
    const work = { databaseUrl: url, log, patience: 0 };
    await assert.rejects(adopt(work, defaults), /does not let go of them[\s\S]*somebody/);
    // it has begun, and neither theirs nor ours starts on it by mistake
    assert.equal((await planOf(pool, defaults)).phase, "begun");
    const migrated = await runCcx(["migrate"], { DATABASE_URL: url });
    assert.match(migrated.stderr, /An adoption of this database was interrupted: run `ccx adopt` again/);
    await reader.query("rollback");
    reader.release();
    await undo(work);
    assert.equal((await planOf(pool, defaults)).phase, "theirs");
  });

  test("what is not version 8, or in the way, is named before anything is changed", async () => {
    const { pool, url } = database;
    await pool.query(
      `alter table reported add column seen boolean; create table policy (id integer);
       update migration_info set version = 7`,
    );
    const problems = (await planOf(pool, defaults)).problems;
    assert.deepEqual(problems, [
      "Table reported is not that of version 8: it also has seen boolean.",
      "There is a table or view policy that ours would replace: rename it.",
    ]);
    await pool.query("alter table reported drop column seen; drop table policy");
    assert.deepEqual((await planOf(pool, defaults)).problems, [
      "The schema is of version 7: bring it to version 8 with their writer first.",
    ]);
    await assert.rejects(adopt({ databaseUrl: url, log }, defaults), /of version 7/);
    await pool.query("update migration_info set version = 8");
    for (const wrong of [
      { ...defaults, timeZone: "Mars" },
      { ...defaults, memory: "long" },
    ])
      await assert.rejects(planOf(pool, wrong), /time zone Mars|not long/);
  });
});
