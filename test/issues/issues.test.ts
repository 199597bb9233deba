import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  addReports,
  openIssues,
  replaceReport,
  rows,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

const [t1, t2, t3, t4] = [1, 2, 3, 4].map((hour) => `2026-03-01T0${hour}:00:00Z`) as [
  string,
  string,
  string,
  string,
];

async function issueOf(db: PoolClient, cluster: string, rule = "disk") {
  const sql = `select first_seen, opened_at, closed_at, occurrence
    from issue join rule r on r.id = rule_id where cluster = $1 and r.rule_name = $2`;
  return (await rows(db, sql, [cluster, rule]))[0];
}

test("a hit of a cluster's first report is a new issue", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    assert.deepEqual(await issueOf(db, cluster), {
      first_seen: t1,
      opened_at: t1,
      closed_at: null,
      occurrence: 1,
    });
    assert.deepEqual(await rows(db, "select org_id, updated_at, previous_at from latest_report"), [
      { org_id: "1", updated_at: t1, previous_at: null },
    ]);
  }));

test("a hit of a later report is a new issue beside the others", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await addReport(db, cluster, t2, ["disk", "net", "disk|OTHER_KEY"]);
    assert.deepEqual(await issueOf(db, cluster, "net"), {
      first_seen: t2,
      opened_at: t2,
      closed_at: null,
      occurrence: 1,
    });
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY", "disk|OTHER_KEY", "net|KEY"]);
  }));

test("a report with the same hits writes nothing to issue", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk", "net"]);
    const sql = "select id, xmin::text, ctid::text from issue where cluster = $1 order by id";
    const before = await rows(db, sql, [cluster]);
    await db.query("savepoint another"); // gives later writes another xmin
    await addReport(db, cluster, t2, ["net", "disk"]);
    assert.deepEqual(await rows(db, sql, [cluster]), before);
    assert.deepEqual(await rows(db, "select updated_at, previous_at from latest_report"), [
      { updated_at: t2, previous_at: t1 },
    ]);
  }));

test("a hit that is missing from the newest report is gone", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk", "net"]);
    await addReport(db, cluster, t2, ["net"]);
    assert.deepEqual(await issueOf(db, cluster), {
      first_seen: t1,
      opened_at: t1,
      closed_at: t2,
      occurrence: 1,
    });
    assert.equal((await issueOf(db, cluster, "net"))?.closed_at, null);
    await addReport(db, cluster, t3, []);
    assert.equal((await issueOf(db, cluster))?.closed_at, t2, "it was gone before");
    assert.equal((await issueOf(db, cluster, "net"))?.closed_at, t3);
  }));

test("an issue that was gone and is back counts as another occurrence of the same issue", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    const id = await value(db, "select id from issue");
    await addReport(db, cluster, t2, []);
    await addReport(db, cluster, t3, ["disk"]);
    assert.deepEqual(await issueOf(db, cluster), {
      first_seen: t1,
      opened_at: t3,
      closed_at: null,
      occurrence: 2,
    });
    assert.equal(await value(db, "select id from issue"), id);
  }));

test("an issue is the same whatever its details, and named twice in a report it is one", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const hit = (details: object) => ({ component: "a.disk.report", key: "KEY", details });
    await addReport(db, cluster, t1, JSON.stringify({ reports: [hit({ n: 1 }), hit({ n: 2 })] }));
    await addReport(db, cluster, t2, JSON.stringify({ reports: [hit({ n: 3 })] }));
    assert.deepEqual(await rows(db, "select occurrence, opened_at from issue"), [
      { occurrence: 1, opened_at: t1 },
    ]);
  }));

test("clusters have issues of their own, and belong to the organization of their newest report", () =>
  rolledBack(database.pool, async (db) => {
    const [one, other] = [aCluster(), aCluster()];
    await addReports(db, [
      { cluster: one, at: t1, hits: ["disk"] },
      { cluster: one, org: 2, at: t1, hits: ["net"] },
      { cluster: other, at: t1, hits: ["disk", "cpu"] },
    ]);
    await addReports(db, [{ cluster: one, org: 2, at: t2, hits: [] }]);
    assert.deepEqual(
      await rows(
        db,
        `select cluster, org_id, rule_name, closed_at is null as open from issue join rule on rule.id = rule_id
         order by cluster, org_id, rule_name`,
      ),
      [
        { cluster: one, org_id: "1", rule_name: "disk", open: false },
        { cluster: one, org_id: "2", rule_name: "net", open: false },
        { cluster: other, org_id: "1", rule_name: "cpu", open: true },
        { cluster: other, org_id: "1", rule_name: "disk", open: true },
      ],
    );
  }));

test("several reports of a cluster in one statement count as if they came one by one", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReports(db, [
      { cluster, at: t4, hits: ["back"] },
      { cluster, at: t1, hits: ["back", "gone"] },
      { cluster, at: t3, hits: ["short"] },
      { cluster, at: t2, hits: ["gone"] },
    ]);
    const expected = {
      back: { first_seen: t1, opened_at: t4, closed_at: null, occurrence: 2 },
      gone: { first_seen: t1, opened_at: t1, closed_at: t3, occurrence: 1 },
      short: { first_seen: t3, opened_at: t3, closed_at: t4, occurrence: 1 },
    };
    for (const [rule, issue] of Object.entries(expected)) {
      assert.deepEqual(await issueOf(db, cluster, rule), issue, rule);
    }
  }));

test("a late report that is older than the newest changes nothing", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await addReport(db, cluster, t3, ["disk"]);
    await db.query("delete from decision_due");
    const before = await rows(db, "select *, xmin::text from issue");
    const latest = await rows(db, "select * from latest_report");
    await addReport(db, cluster, t2, ["net"]);
    assert.deepEqual(await rows(db, "select *, xmin::text from issue"), before);
    assert.deepEqual(await rows(db, "select * from latest_report"), latest);
    assert.deepEqual(await rows(db, "select * from decision_due"), [], "nothing to decide");
  }));

test("a late and a newer report in one statement: only the newer one counts", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t2, ["disk"]);
    await addReports(db, [
      { cluster, at: t1, hits: ["late"] },
      { cluster, at: t3, hits: ["disk", "net"] },
    ]);
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY", "net|KEY"]);
    assert.equal(await issueOf(db, cluster, "late"), undefined);
    assert.deepEqual(await issueOf(db, cluster), {
      first_seen: t2,
      opened_at: t2,
      closed_at: null,
      occurrence: 1,
    });
  }));

test("when the newest report is replaced, its new hits count", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["stays", "returns"]);
    await addReport(db, cluster, t2, ["stays", "mistake"]);
    await db.query("delete from decision_due");
    await replaceReport(db, cluster, t2, ["stays", "returns", "new"]);
    assert.deepEqual(await openIssues(db, cluster), ["new|KEY", "returns|KEY", "stays|KEY"]);
    assert.equal((await issueOf(db, cluster, "mistake"))?.closed_at, t2);
    assert.equal((await issueOf(db, cluster, "stays"))?.occurrence, 1);
    assert.deepEqual(await rows(db, "select updated_at, previous_at from latest_report"), [
      { updated_at: t2, previous_at: t1 },
    ]);
    assert.equal((await rows(db, "select * from decision_due")).length, 1);
  }));

test("when all reports of a cluster are replaced in one statement, the newest one counts", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await addReport(db, cluster, t2, ["disk"]);
    await db.query("update new_reports set report = replace(report, 'disk', 'net') where updated_at = $1", [
      t1,
    ]);
    await db.query("update new_reports set account_number = 42");
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
    assert.equal(await issueOf(db, cluster, "net"), undefined);
    assert.deepEqual(await rows(db, "select account_number, updated_at from latest_report"), [
      { account_number: "42", updated_at: t2 },
    ]);
  }));

test("when an older report is replaced, nothing changes", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await addReport(db, cluster, t2, ["disk"]);
    await db.query("delete from decision_due");
    const before = await rows(db, "select *, xmin::text from issue");
    await replaceReport(db, cluster, t1, ["net"]);
    assert.deepEqual(await rows(db, "select *, xmin::text from issue"), before);
    assert.deepEqual(await rows(db, "select * from decision_due"), []);
  }));
