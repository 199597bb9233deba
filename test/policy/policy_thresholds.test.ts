import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { aCluster, addReport, decisions, loadContent, type Row, someContent } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { explained, setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

/**
 * Which of these rules are notified when this alone is asked for; `risk` is (impact + likelihood) / 2,
 * rounded down.
 */
async function toldWith(db: PoolClient, thresholds: Row): Promise<string[]> {
  const cluster = aCluster();
  await loadContent(db, [
    someContent("i1l4", { impact: 1, likelihood: 4 }),
    someContent("i2l3", { impact: 2, likelihood: 3 }),
    someContent("i3l2", { impact: 3, likelihood: 2 }),
    someContent("i4l1", { impact: 4, likelihood: 1 }),
    someContent("i3l4", { impact: 3, likelihood: 4 }),
    someContent("i4l4", { impact: 4, likelihood: 4 }),
    someContent("i1l1", { impact: 1, likelihood: 1 }),
  ]);
  const none = {
    total_risk_threshold: 0,
    likelihood_threshold: 0,
    impact_threshold: 0,
    severity_threshold: 0,
  };
  await setScopedPolicy(db, {}, { ...none, ...thresholds }, "2026-02-01");
  await addReport(db, cluster, at, ["i1l4", "i2l3", "i3l2", "i4l1", "i3l4", "i4l4", "i1l1"]);
  const answers = Object.entries(await decisions(db, cluster, at));
  for (const [issue, answer] of answers) {
    if (answer !== "notify") assert.deepEqual(answer, ["below_threshold"], issue);
  }
  return answers
    .filter(([, answer]) => answer === "notify")
    .map(([issue]) => issue.replace("|KEY", ""))
    .sort();
}

const all = ["i1l1", "i1l4", "i2l3", "i3l2", "i3l4", "i4l1", "i4l4"];

/** For each threshold from 0 to 4: what is notified. */
const expected: Record<string, string[][]> = {
  total_risk_threshold: [
    all,
    all,
    ["i1l4", "i2l3", "i3l2", "i3l4", "i4l1", "i4l4"],
    ["i3l4", "i4l4"],
    ["i4l4"],
  ],
  likelihood_threshold: [
    all,
    all,
    ["i1l4", "i2l3", "i3l2", "i3l4", "i4l4"],
    ["i1l4", "i2l3", "i3l4", "i4l4"],
    ["i1l4", "i3l4", "i4l4"],
  ],
  impact_threshold: [
    all,
    all,
    ["i2l3", "i3l2", "i3l4", "i4l1", "i4l4"],
    ["i3l2", "i3l4", "i4l1", "i4l4"],
    ["i4l1", "i4l4"],
  ],
  // every rule has severity 0 today
  severity_threshold: [all, [], [], [], []],
};

for (const [setting, answers] of Object.entries(expected)) {
  test(`a rule that reaches the ${setting} is notified, one that does not is held`, async () => {
    for (const [threshold, notified] of answers.entries()) {
      await rolledBack(database.pool, async (db) => {
        assert.deepEqual(await toldWith(db, { [setting]: threshold }), notified, `${setting} ${threshold}`);
      });
    }
  });
}

test("a rule has to reach all thresholds", () =>
  rolledBack(database.pool, async (db) => {
    assert.deepEqual(await toldWith(db, { likelihood_threshold: 2, impact_threshold: 3 }), [
      "i3l2",
      "i3l4",
      "i4l4",
    ]);
  }));

test("what is below any threshold is held once, and does not qualify", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("low", { impact: 1, likelihood: 1 })]);
    await setScopedPolicy(
      db,
      {},
      { total_risk_threshold: 4, likelihood_threshold: 4, impact_threshold: 4, severity_threshold: 4 },
      "2026-02-01",
    );
    await addReport(db, cluster, at, ["low"]);
    const { "low|KEY": answer } = await explained(db, cluster, at);
    assert.partialDeepStrictEqual(answer, {
      decision: "hold",
      reasons: ["below_threshold"],
      qualifies: false,
    });
  }));
