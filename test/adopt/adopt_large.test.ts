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
  await fillVersionEight(pool, clusters, reportsEach);
  const schemaBefore = await theirSchema(pool);
  const plan = await planOf(pool, defaults);
  assert.deepEqual(
    plan.tables.filter(({ rows }) => rows >= 200_000).map(({ table }) => table),
    ["new_reports", "reported"],
  );

  // its statements fail after a second behind a lock
  const go = await goService(url);
  const adopted = await adopt({ databaseUrl: url, log }, defaults);
  const written = await go.stop();
  assert.ok(written.keys.length > 0);
  assert.ok(adopted.reports >= plan.carried.reports, JSON.stringify(adopted));
  assert.ok(adopted.sent >= plan.carried.sent, JSON.stringify(adopted));
  await adoptionIsWhole(pool, { clusters, reportsEach }, written);

  const goAgain = await goService(url);
  const given = await undo({ databaseUrl: url, log });
  const later = await goAgain.stop();
  assert.equal(given.leftOut, 0);
  assert.deepEqual(await theirSchema(pool), schemaBefore);
  assert.equal(
    await value(pool, "select count(*)::integer from new_reports"),
    clusters * reportsEach + written.keys.length + later.keys.length + 1,
  );
});
