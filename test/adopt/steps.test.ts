import assert from "node:assert/strict";
import { test } from "node:test";
import { adopt, finish, undo } from "../../src/adopt/adopt.ts";
import { cleanup } from "../../src/adopt/operations.ts";
import { defaults, planOf } from "../../src/adopt/plan.ts";
import * as phases from "../../src/db/adoption/phase.ts";
import * as swapping from "../../src/db/adoption/swap.ts";
import { createLogger } from "../../src/log.ts";
import { theirSchema } from "../support/adoptions.ts";
import { type Db, rows, value } from "../support/builders.ts";
import { openDatabase } from "../support/database.ts";
import { clusterOf, fillVersionEight, versionEight } from "../support/incumbent.ts";
import { openLogins } from "../support/role_logins.ts";

const log = createLogger("silent");

/** Ends the work when it comes to this step. */
const upTo = (databaseUrl: string, step: string) => ({
  databaseUrl,
  log,
  reached: (at: string) => {
    if (at === step) throw new Error(`stopped at ${step}`);
  },
});

const insertReport = (db: Db, cluster: string, at = "now()") =>
  db.query(
    `insert into public.new_reports (org_id, account_number, cluster, report, updated_at)
     values (1, 1, $1, '{"reports":[]}', ${at})`,
    [cluster],
  );

const insertReported = (db: Db, cluster: string, target: number, at: string) =>
  db.query(
    `insert into public.reported (org_id, account_number, cluster, notification_type, state, report,
       updated_at, notified_at, error_log, event_type_id)
     values (1, 1, $1, 1, 2, '', ${at}, ${at}, '', ${target})`,
    [cluster],
  );

test("what stands between their tables and ours: rights, both in one view, and a way back that has to end", async (context) => {
  await using database = await openDatabase({ empty: true });
  const { pool, url } = database;
  await using logins = await openLogins(url);
  const [owner, reader] = [await logins.login(), await logins.login()];
  await pool.query(versionEight);
  await fillVersionEight(pool, 3, 2);
  const summer = "'2026-07-01 12:00'";
  await insertReport(pool, clusterOf(9).toUpperCase().replace("0000-4", "000A-4"), summer);
  await insertReported(pool, clusterOf(9), 1, summer);
  await pool.query(`grant select on reported to public; alter table new_reports owner to ${owner.name}`);
  const before = await theirSchema(pool);
  const options = { ...defaults, timeZone: "Europe/Prague" };

  // a row of theirs that is written while it is copied, by somebody who knows nothing of ours
  await assert.rejects(adopt(upTo(url, "sent"), options), /stopped at sent/);
  await insertReport(owner.pool, clusterOf(10), "now() at time zone 'Europe/Prague'");
  for (const at of ["'infinity'", "'2990-01-01'"]) await insertReport(owner.pool, clusterOf(11), at);
  await insertReported(pool, clusterOf(10), 1, "now() at time zone 'Europe/Prague'");
  assert.deepEqual(await rows(pool, "select cluster from ccx_staging.reported"), [], "skipped, not sent");
  // in capitals it is the same row of ours
  await insertReport(owner.pool, "0A000000-0000-4000-8000-000000000000", summer);
  await insertReport(owner.pool, "0a000000-0000-4000-8000-000000000000", summer);
  await assert.rejects(cleanup(pool, "1 day"), /An adoption of this database was interrupted/);

  await assert.rejects(adopt(upTo(url, "load"), options), /stopped at load/);
  await swapping.showBoth(pool);
  assert.equal((await planOf(pool, options)).phase, "swapped");
  await assert.rejects(cleanup(pool, "1 day"), /An adoption of this database was interrupted/);
  await assert.rejects(finish({ databaseUrl: url, log }), /is not finished/);

  await context.test("whoever could read or write a table can do so with ours", async () => {
    const may = async (login: { name: string }, table: string) =>
      (
        await rows(
          pool,
          `select p from unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) p
           where has_table_privilege($1, $2, p)`,
          [login.name, `public.${table}`],
        )
      ).map(({ p }) => p);
    assert.deepEqual(await may(owner, "new_reports"), ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"]);
    assert.deepEqual(await may(reader, "new_reports"), []);
    assert.deepEqual(await may(reader, "reported"), ["SELECT"]);
  });

  await context.test("both tables in one view, each row once, for whoever may read them", async () => {
    const count = "select count(*)::integer from incumbent.all_reported";
    assert.equal(await value(reader.pool, count), 8);
    await assert.rejects(reader.pool.query("select from incumbent.all_new_reports"), /permission denied/);
    assert.equal(
      await value(pool, "select notified_at from incumbent.all_reported where cluster = $1", [clusterOf(9)]),
      "2026-07-01T10:00:00Z",
      "it was noon in Prague",
    );
    // the same moment for another target is another row; the same target is the same row
    for (const target of [2, 1]) {
      await insertReported(pool, clusterOf(9), target, "'2026-07-01T10:00Z'");
      assert.equal(await value(pool, count), 9);
    }
    assert.deepEqual(
      await rows(
        pool,
        `select cluster, count(*)::integer as rows, bool_and(received_at <= now()) as of_now
         from incumbent.all_new_reports where cluster >= $1 group by 1 order by 1`,
        [clusterOf(9)],
      ),
      [
        { cluster: clusterOf(10), rows: 1, of_now: true },
        { cluster: clusterOf(11), rows: 2, of_now: true },
        { cluster: clusterOf(9).replace("0000-4", "000a-4"), rows: 1, of_now: true },
        { cluster: "0a000000-0000-4000-8000-000000000000", rows: 1, of_now: true },
      ],
    );
  });

  await context.test("a step that was done is not done again", async () => {
    const note = await phases.noteOf(pool);
    await swapping.begin(pool, "UTC", "1 day");
    await swapping.swap(pool);
    assert.deepEqual(await phases.noteOf(pool), note);
  });

  await context.test("once the way back has begun, it is the only way", async () => {
    await assert.rejects(undo(upTo(url, "swap back")), /stopped at swap back/);
    assert.equal((await planOf(pool, options)).phase, "leaving");
    for (const other of [
      () => adopt({ databaseUrl: url, log }, options),
      () => finish({ databaseUrl: url, log }),
    ])
      await assert.rejects(other, /is being undone: finish that with `ccx adopt --undo`/);
    const meanwhile = async (step: string) => {
      if (step !== "swap back") return;
      await insertReport(pool, clusterOf(12));
      await pool.query("update new_reports set report = '{}' where cluster = $1", [clusterOf(12)]);
    };
    await undo({ databaseUrl: url, log, reached: meanwhile });
    assert.equal(
      await value(pool, "select report from new_reports where cluster = $1", [clusterOf(12)]),
      "{}",
      "what was written meanwhile is there",
    );
    assert.deepEqual(await theirSchema(pool), before);
  });
});

test("what was there before an adoption stays when it is undone", async () => {
  await using database = await openDatabase({ empty: true });
  const { pool, url } = database;
  await pool.query(versionEight);
  await pool.query("create schema extensions; create extension btree_gist schema extensions");
  const before = await theirSchema(pool);
  await assert.rejects(adopt(upTo(url, "sent"), defaults), /stopped at sent/);
  assert.notDeepEqual(await theirSchema(pool), before);
  await undo({ databaseUrl: url, log });
  assert.deepEqual(await theirSchema(pool), before);
});
