import assert from "node:assert/strict";
import { test } from "node:test";
import { addReport, loadContent, rows, setPolicy, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T10:00:00Z";

test("a cluster is found as it is stored, and as people spell it", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    for (const cluster of ["Cluster-A", "cluster-b"]) await addReport(db, cluster, at, ["disk"]);
    const found = async (cluster: string) => [
      await value(db, "select count(*)::integer from explain_at($1, 'notifications backend', $2)", [
        at,
        cluster,
      ]),
      (await rows(db, "select from explain_report(1, $1, $2)", [cluster, at])).length,
    ];
    assert.deepEqual(await found("Cluster-A"), [1, 2]);
    assert.deepEqual(await found("CLUSTER-B"), [1, 2]);
    assert.deepEqual(await found("Cluster-C"), [0, 0]);
  }));

test("an interval without a unit, and no change at all, are refused", () =>
  rolledBack(database.pool, async (db) => {
    const set = (change: object | null) =>
      setPolicy(db, "notifications backend", change as never, "2026-03-02");
    for (const cooldown of ["3", " 12 ", 3, "1.5"]) await refused(db, "NTP10", () => set({ cooldown }));
    await refused(db, "NTP08", () => set(null));
    assert.equal(await value(db, "select count(*)::integer from policy"), 2);
    for (const cooldown of ["0", "3 days", "P1D", "12:00"]) {
      await db.query("savepoint before");
      await set({ cooldown });
      await db.query("rollback to savepoint before");
    }
  }));
