import assert from "node:assert/strict";
import { test } from "node:test";
import { compareRejected } from "./books.ts";
import { chaos, defaultSeed, short } from "./chaos.ts";
import { kindsOf, planOf } from "./plan.ts";

const seed = Number(process.env.SEED ?? defaultSeed);

test(`whatever goes wrong, nothing is lost and nothing is notified twice (SEED=${seed})`, async (t) => {
  const lines: string[] = [];
  const { figures, wrong, notes } = await chaos({ ...short, seed, say: (line) => lines.push(line) }).catch(
    (error) => {
      for (const line of lines) t.diagnostic(line);
      throw error;
    },
  );
  t.diagnostic(JSON.stringify(figures));
  if (wrong.length > 0) for (const line of [...lines, ...notes]) t.diagnostic(line);
  assert.deepEqual(wrong, []);
  assert.deepEqual([figures.lost, figures.notified_twice], [0, 0]);
  // it was worth the while
  assert.deepEqual(
    Object.keys(figures.faults).sort(),
    kindsOf(short.lengthMs).sort(),
    "every kind of fault came",
  );
  assert.ok(figures.stored > 100 && figures.rejected > 3 && figures.notified > 100, JSON.stringify(figures));
});

test("the same seed gives the same faults, another one gives others", () => {
  const plan = (seed: number) => planOf(seed, 600_000, 3_000);
  assert.deepEqual(plan(1), plan(1));
  assert.notDeepEqual(plan(1), plan(2));
  assert.ok(plan(1).length > 150);
});

test("in a run of five minutes or more a worker and a consumer stand still until they are taken for dead", () => {
  const longest = (kind: string, minutes: number, seed: number) =>
    Math.max(
      ...planOf(seed, minutes * 60_000, 3_000).flatMap((fault) => (fault.kind === kind ? [fault.ms] : [])),
    );
  for (let seed = 1; seed <= 20; seed++)
    for (const minutes of [5, 10]) {
      assert.ok(
        longest("freeze_worker", minutes, seed) > 120_000,
        `worker, seed ${seed}, ${minutes} minutes`,
      );
      assert.ok(
        longest("freeze_consumer", minutes, seed) > 30_000,
        `consumer, seed ${seed}, ${minutes} minutes`,
      );
    }
  assert.ok(longest("freeze_worker", 4, 1) < 10_000, "not in a short one");
});

test("a message that was rejected twice does not balance, nor one with another reason, nor one that is not there", () => {
  const expected = new Map([
    ["0/1", "empty"],
    ["0/2", "not_json"],
  ]);
  assert.deepEqual(compareRejected(expected, [...expected]), { unrejected: [], otherwise: [], again: [] });
  const rows: [string, string][] = [
    ["0/1", "empty"],
    ["0/1", "empty"],
    ["0/3", "empty"],
  ];
  assert.deepEqual(compareRejected(expected, rows), {
    unrejected: ["0/2"],
    otherwise: [["0/3", "empty"]],
    again: [["0/1", "empty"]],
  });
});
