import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { below, seeded } from "../../dev/samples/random.ts";
import { loadContent, type Row, rows, serviceLog } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { setScopedPolicy } from "../support/policies.ts";
import { decideAll, moment, someChange, someReports, someRules } from "../support/replay_history.ts";

const database = testDatabase();
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const histories = Number(process.env.HISTORIES ?? 2);
const moments = 280;

const replayed = (db: PoolClient, target: number, from: string, to: string, change: Row | null = null) =>
  rows(
    db,
    `select issue_id, notified_at, policy_id, max_events from backtest_steps($1, $2, $3, $4) order by 1, 2`,
    [target, from, to, change === null ? null : JSON.stringify(change)],
  );

const ledger = (db: PoolClient, target: number, from: string, to: string) =>
  rows(
    db,
    `select n.issue_id, n.notified_at, n.policy_id, p.max_events
     from notified_issue n join policy p on p.id = n.policy_id
     where n.target_id = $1 and n.notified_at >= $2 and n.notified_at < $3 and not n.resolved order by 1, 2`,
    [target, from, to],
  );

/** Four days of reports and of what people do, decided as it comes. */
async function live(db: PoolClient, random: () => number): Promise<void> {
  const traits = { resolved: below(random, 2) === 0 };
  await loadContent(db, someRules(random), "2026-02-01");
  await setScopedPolicy(db, {}, { total_risk_threshold: 1, cooldown: "6 hours" }, "2026-02-01");
  await setScopedPolicy(db, { target: serviceLog }, { enabled: true, required_tags: [] }, "2026-02-01");
  for (let nth = 0; nth < moments; nth++) {
    const at = moment(nth);
    if (below(random, 6) === 0) await someChange(db, random, at, traits);
    await someReports(db, random, at);
    await db.query("select sweep($1)", [at]);
    await decideAll(db, at);
  }
}

test(`with the real policies, a replay tells what was notified (SEED=${seed})`, async () => {
  const random = seeded(seed);
  let count = 0;
  for (let history = 0; history < histories; history++) {
    await rolledBack(database.pool, async (db) => {
      await db.query("set local statement_timeout = '60s'");
      await live(db, random);
      for (let stretch = 0; stretch < 12; stretch++) {
        // from a moment of the clock on, or from a time between two; the first from before the beginning
        const begin = stretch === 0 ? -10 : below(random, moments);
        const from = new Date(Date.parse(moment(begin)) + below(random, 2) * 200_001).toISOString();
        const to = moment(Math.min(moments, begin + 1 + below(random, stretch < 6 ? 1000 : 60)));
        for (const target of [1, 2]) {
          const what = `history ${history} of SEED=${seed}, target ${target} from ${from} to ${to}`;
          const expected = await ledger(db, target, from, to);
          assert.deepEqual(await replayed(db, target, from, to), expected, what);
          if (stretch < 3) assert.deepEqual(await replayed(db, target, from, to, {}), expected, what);
          count += expected.length;
        }
      }
    });
  }
  assert.ok(count > histories * 100, `only ${count} were notified`);
});
