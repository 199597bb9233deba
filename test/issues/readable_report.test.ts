import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  decideDue,
  loadContent,
  notified,
  rows,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

test("a report that is not JSON reads as nothing, a constant as well as a column", () =>
  rolledBack(database.pool, async (db) => {
    for (const report of ["''", "'nope'", "'{'"])
      assert.equal(await value(db, `select readable_report(${report})`), null, report);
    assert.deepEqual(await value(db, `select readable_report('{"reports": []}')`), { reports: [] });
    await addReport(db, aCluster(), "2026-03-01T10:00:00Z", "");
    assert.deepEqual(await rows(db, "select readable_report(report) as report from new_reports"), [
      { report: null },
    ]);
  }));

test("a writer whose clock is ahead has its report decided on at once", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk")]);
    const report = JSON.stringify({ reports: [{ component: "disk.report", key: "KEY" }] });
    await db.query(
      `insert into new_reports (org_id, cluster, updated_at, report, received_at)
       values (1, $1, now(), $2, now() + interval '1 minute')`,
      [cluster, report],
    );
    await db.query("select decide_due(10)");
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"]]);
  }));

test("a replaced report that claims to arrive later does not stop the decision", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net"]);
    await addReport(db, cluster, "2026-03-01T10:00:00Z", ["disk"]);
    await db.query("update new_reports set received_at = '2026-03-02', report = replace(report, 'x', 'x')");
    assert.equal((await decideDue(db, "2026-03-01T11:00:00Z")).notified, 1);
    assert.equal(await value(db, "select updated_at from notification"), "2026-03-01T10:00:00Z");
  }));
