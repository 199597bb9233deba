import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pool } from "pg";
import { decideDue } from "../../src/decide/decide_due.ts";
import { createLogger } from "../../src/log.ts";
import { value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();

/** So many clusters wait; how many decisions were under way at once, at most, and how many were taken. */
async function decided(clusters: number, deciders: number): Promise<{ most: number; taken: number }> {
  await database.pool.query(
    "insert into decision_due (org_id, cluster) select 1, 'cluster ' || n from generate_series(1, $1::integer) n",
    [clusters],
  );
  const lines: { msg: string; clusters: number }[] = [];
  const log = createLogger("info", { write: (line) => void lines.push(JSON.parse(line)) });
  let running = 0;
  let most = 0;
  const pool = new Proxy(database.pool, {
    get(target, name) {
      const found = Reflect.get(target, name, target);
      if (name !== "query") return typeof found === "function" ? found.bind(target) : found;
      return async (...args: unknown[]) => {
        most = Math.max(most, ++running);
        return Promise.resolve(found.apply(target, args)).finally(() => {
          running--;
        });
      };
    },
  }) as Pool;
  await decideDue(pool, log, { deciders });
  assert.equal(await value(database.pool, "select count(*)::integer from decision_due"), 0);
  assert.equal(
    lines.reduce((sum, line) => sum + line.clusters, 0),
    clusters,
    "each of them once",
  );
  return { most, taken: lines.length };
}

test("a few clusters are one decision, whatever the number of deciders", async () => {
  assert.deepEqual(await decided(999, 4), { most: 1, taken: 1 });
});

test("while batches come out full, as many as configured are under way at the same time", async () => {
  assert.deepEqual(await decided(5_500, 1), { most: 1, taken: 6 });
  assert.deepEqual(await decided(5_500, 2), { most: 2, taken: 6 });
});

test("a decision that fails ends the others after the one they are at, and is what the caller hears", async () => {
  await database.pool.query(
    "insert into decision_due (org_id, cluster) select 1, 'cluster ' || n from generate_series(1, 6000) n",
  );
  let calls = 0;
  const pool = new Proxy(database.pool, {
    get(target, name) {
      const found = Reflect.get(target, name, target);
      if (name !== "query") return typeof found === "function" ? found.bind(target) : found;
      return (...args: unknown[]) =>
        ++calls === 2 ? Promise.reject(new Error("gone")) : found.apply(target, args);
    },
  }) as Pool;
  await assert.rejects(decideDue(pool, createLogger("silent"), { deciders: 2 }), /gone/);
  assert.ok(Number(await value(database.pool, "select count(*) from decision_due")) >= 3_000);
  assert.equal(database.pool.waitingCount, 0);
});
