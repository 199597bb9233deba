import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { adopt, undo } from "../../src/adopt/adopt.ts";
import { defaults, planOf } from "../../src/adopt/plan.ts";
import { createLogger } from "../../src/log.ts";
import { adoptionIsWhole, goService, theirSchema } from "../support/adoptions.ts";
import { rows, value } from "../support/builders.ts";
import { openDatabase, type TestDatabase } from "../support/database.ts";
import { fillVersionEight, versionEight } from "../support/incumbent.ts";

const log = createLogger("silent");

describe("a database of the notification writer", () => {
  let database: TestDatabase & AsyncDisposable;
  before(async () => {
    database = await openDatabase({ empty: true });
    await database.pool.query(versionEight);
    await fillVersionEight(database.pool, 300, 4);
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

  test("is adopted, whatever step it is interrupted at, while the Go services write; and given back", async () => {
    const { pool, url } = database;
    const schemaBefore = await theirSchema(pool);
    const plan = await planOf(pool, defaults);
    assert.deepEqual(plan.problems, []);
    assert.deepEqual(plan.carried, {
      ...{ clusters: 300, reports: 300, sent: 100, unreadable: 0, future: 0 },
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
    await adoptionIsWhole(pool, { clusters: 300, reportsEach: 4 }, written);

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
