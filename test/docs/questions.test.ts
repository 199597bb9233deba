import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import { fillSampleWeek } from "../../dev/samples/week.ts";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { examplesOf, printedBy } from "../support/page.ts";

const database = testDatabase();
const file = new URL("../../docs/guides/questions.md", import.meta.url).pathname;
const examples = examplesOf(await readFile(file, "utf8"));
const update = process.env.UPDATE_PAGES !== undefined;

/** Who ran it stands in some answers; in the page that is `ccx`. */
let user: string;
const asPrinted = (text: string) => (user === "ccx" ? text : text.replaceAll(user, "ccx"));

/** Runs on a connection of its own, in a transaction that is rolled back. */
async function answer(sql: string): Promise<string> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    if (!/^begin;/m.test(sql)) await client.query("begin");
    return asPrinted(await printedBy(client, sql));
  } finally {
    await client.query("rollback");
    await client.end();
  }
}

/** How many rows there are of what the examples change before they roll back. */
const kept = async () => {
  const [{ count } = {}] = await rows(
    database.pool,
    `select (select count(*) from policy) + (select count(*) from silence) + (select count(*) from notification)
       as count`,
  );
  return count;
};
let keptBefore: unknown;

describe("the queries of docs/guides/questions.md answer what the page says", () => {
  before(async () => {
    await fillSampleWeek(database.pool);
    keptBefore = await kept();
    user = String((await rows(database.pool, "select session_user as me"))[0]?.me);
  });

  for (const { title, sql, printed } of examples)
    test(title, { skip: update }, async () => assert.equal(await answer(sql), printed));

  test("what was really sent that week, by the replay, is what the ledger says", async () => {
    const [{ replayed } = {}] = await rows(
      database.pool,
      `select array_agg(issues order by day) as replayed
       from backtest('notifications backend', '2026-03-02T00:00Z', '2026-03-09T00:00Z')`,
    );
    const [{ ledger } = {}] = await rows(
      database.pool,
      `select array_agg((select count(*) from notified_issue l where l.live and l.target_id = target_id('notifications backend')
         and l.notified_at >= day and l.notified_at < day + interval '1 day') order by day) as ledger
       from generate_series(timestamptz '2026-03-02T00:00Z', '2026-03-08T00:00Z', '1 day') day`,
    );
    assert.deepEqual(replayed, ledger);
  });

  test("nothing of that was kept", async () => assert.equal(await kept(), keptBefore));

  // UPDATE_PAGES=1 writes what the queries print now into the page instead; look at the difference before you
  // keep it
  after(async () => {
    if (!update) return;
    let page = await readFile(file, "utf8");
    for (const { sql, start, end } of examples.toReversed())
      page = page.slice(0, start) + (await answer(sql)) + page.slice(end);
    await writeFile(file, page);
  });
});
