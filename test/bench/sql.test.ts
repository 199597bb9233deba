import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { type Question, questions, someWho, type Who } from "../../bench/support/questions.ts";
import { rolledBack } from "../support/database.ts";
import { fleetDatabase } from "../support/fleets.ts";
import { workOf } from "../support/work.ts";

const small = fleetDatabase(300);
const large = fleetDatabase(3_000);
const asked = 20;

/** What people set is small, whatever the size of the fleet. */
const settings = ["rule", "rule_content", "policy", "silence", "acknowledged_rule", "event_targets"];

/**
 * The pages that the answers touch, how many rows they have, and the most rows that were read of one of the
 * fleet's tables from end to end.
 */
async function costOf(db: PoolClient, { statements }: Question, about: (Who | undefined)[]) {
  const cost = { pages: 0, rows: 0, whole: 0 };
  for (const who of about) {
    const all = statements(who);
    const answer = all.pop() ?? "";
    for (const statement of all) await db.query(statement);
    const { pages, rows, scanned } = await workOf(db, answer);
    for (const table of settings) delete scanned[table];
    cost.pages += pages;
    cost.rows += rows;
    cost.whole = Math.max(cost.whole, ...Object.values(scanned));
  }
  return cost;
}

/**
 * What each of the questions costs in the small fleet and in the large one: of the first that is asked about
 * only if there is no other, since that one fills the caches, too.
 */
async function compare(about: Question["about"], ask: (db: PoolClient) => Promise<(Who | undefined)[]>) {
  const [few = [], many = []] = await Promise.all(
    [small, large].map(async ({ pool }) => {
      const all = await rolledBack(pool, questions);
      const costs: ({ title: string } & Awaited<ReturnType<typeof costOf>>)[] = [];
      for (const question of all.filter((question) => question.about === about)) {
        const [first, ...others] = await rolledBack(pool, ask);
        const one = await rolledBack(pool, (db) => costOf(db, question, [first]));
        const rest = others.length > 0 && (await rolledBack(pool, (db) => costOf(db, question, others)));
        costs.push({ title: question.title, ...(rest || one) });
      }
      return costs;
    }),
  );
  assert.ok(few.length > 0);
  return few.map((cost, nth) => ({ ...cost, many: many[nth] }));
}

for (const about of ["one cluster", "one organization"] as const)
  test(`what the questions of docs/guides/questions.md about ${about} cost does not depend on the fleet`, async (t) => {
    // an organization below 10 has a share of the fleet
    const some = async (db: PoolClient) =>
      (await someWho(db, 2 * asked, about)).filter(({ org }) => Number(org) >= 10).slice(0, asked);
    for (const { title, pages, rows, many } of await compare(about, some)) {
      assert.ok(many && rows > 0 && many.rows > 0);
      const [few, more] = [pages / rows, many.pages / many.rows].map((each) => Math.round(each));
      assert.ok(few && more);
      t.diagnostic(
        `${title} ${few} pages for each row became ${more}, ${many.whole} rows read from end to end`,
      );
      assert.ok(more < 1.3 * few, `${title} ${few} pages for each row became ${more}`);
      assert.ok(many.whole < 300, `${title} ${many.whole} rows were read from end to end`);
    }
  });

test("what the questions of docs/guides/questions.md about the fleet cost grows as the fleet does", async (t) => {
  for (const { title, pages, many } of await compare("the fleet", async () => [undefined])) {
    assert.ok(many);
    t.diagnostic(`${title} ${pages} pages became ${many.pages}`);
    assert.ok(many.pages < 13 * pages, `${title} ${pages} pages became ${many.pages}`);
  }
});
