import assert from "node:assert/strict";
import { test } from "node:test";
import { adopt, undo } from "../../src/adopt/adopt.ts";
import { defaults, planOf } from "../../src/adopt/plan.ts";
import { createLogger } from "../../src/log.ts";
import { adoptionIsWhole, goService, theirSchema } from "../support/adoptions.ts";
import { value } from "../support/builders.ts";
import { openDatabase } from "../support/database.ts";
import { fillVersionEight, versionEight } from "../support/incumbent.ts";

const log = createLogger("silent");
const [clusters, reportsEach] = [5_000, 40];

const long = { timeout: 1_200_000 };

test("200,000 rows in each table are adopted and given back while somebody writes", long, async () => {
  await using database = await openDatabase({ empty: true });
  const { pool, url } = database;
  await pool.query(versionEight);
  await fillVersionEight(pool, clusters, reportsEach, 1);
  const began = String(await value(pool, "select (now() at time zone 'UTC')::text"));
  const times = { new_reports: "updated_at", reported: "notified_at", read_errors: "created_at" };
  /** How many of their rows there are, and what is in them. */
  const theirRows = () =>
    Promise.all(
      Object.entries(times).map(([table, time]) =>
        value(
          pool,
          `select concat_ws(' ', count(*), sum(hashtextextended(t::text, 0))) from ${table} t
           where ${time} < $1::timestamp`,
          [began],
        ),
      ),
    );
  const rowsBefore = await theirRows();
  const size = async () => Number(await value(pool, "select pg_database_size(current_database())"));
  const schemaBefore = await theirSchema(pool);
  const plan = await planOf(pool, defaults);
  assert.deepEqual(
    plan.tables.filter(({ rows }) => rows >= 200_000).map(({ table }) => table),
    ["new_reports", "reported", "read_errors"],
  );

  // its statements fail after a second behind a lock
  const sizeBefore = await size();
  const go = await goService(url);
  const adopted = await adopt({ databaseUrl: url, log }, defaults);
  const written = await go.stop();
  assert.ok(written.keys.length > 0);
  assert.ok(adopted.reports >= plan.carried.reports, JSON.stringify(adopted));
  assert.ok(adopted.sent >= plan.carried.sent, JSON.stringify(adopted));
  const grown = (await size()) - sizeBefore;
  assert.ok(grown < 1.5 * plan.room && grown > plan.room / 2, `${grown} bytes, ${plan.room} in the plan`);
  assert.equal(
    await value(pool, "select count(*)::integer from incumbent.all_read_errors"),
    clusters * reportsEach,
  );
  await adoptionIsWhole(pool, { clusters, reportsEach }, written);

  const goAgain = await goService(url);
  const given = await undo({ databaseUrl: url, log });
  const later = await goAgain.stop();
  assert.equal(given.leftOut, 0);
  assert.deepEqual(await theirSchema(pool), schemaBefore);
  assert.deepEqual(await theirRows(), rowsBefore, "each row is what it was");
  assert.equal(
    await value(pool, "select count(*)::integer from new_reports"),
    clusters * reportsEach + written.keys.length + later.keys.length + 1,
  );
});
