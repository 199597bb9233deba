import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  addReports,
  loadContent,
  notificationsBackend,
  rows,
  serviceLog,
  setPolicy,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

test("explain says why an issue is held, and new_issues lists what nothing holds", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", someContent("low", { impact: 1, likelihood: 1 })]);
    await addReport(db, cluster, "2026-03-01", ["disk", "low"]);
    const explained = await rows(
      db,
      `select target, error_key, total_risk, decision, reasons from explain_notification
       where cluster = $1 order by target, total_risk`,
      [cluster],
    );
    const common = { error_key: "KEY" };
    assert.deepEqual(explained, [
      {
        ...common,
        target: notificationsBackend,
        total_risk: 1,
        decision: "hold",
        reasons: ["below_threshold"],
      },
      { ...common, target: notificationsBackend, total_risk: 3, decision: "notify", reasons: [] },
      {
        ...common,
        target: serviceLog,
        total_risk: 1,
        decision: "hold",
        reasons: ["target_disabled", "missing_tag"],
      },
      {
        ...common,
        target: serviceLog,
        total_risk: 3,
        decision: "hold",
        reasons: ["target_disabled", "missing_tag"],
      },
    ]);
    assert.deepEqual(
      await rows(db, "select target, component from new_issues where cluster = $1", [cluster]),
      [{ target: notificationsBackend, component: "ccx_rules_ocp.external.rules.disk.report" }],
    );
  }));

test("what new_issues lists is exactly what the next decision tells", () =>
  rolledBack(database.pool, async (db) => {
    // now() is the same throughout a transaction, and the view and decide_due() both take it
    const tags = ["osd_customer"];
    await loadContent(db, [
      "important",
      someContent("low", { impact: 1, likelihood: 1, tags }),
      someContent("tagged", { tags }),
      someContent("retired", { status: "inactive", tags }),
    ]);
    await setPolicy(db, serviceLog, { enabled: true, cooldown: "50 years" }, "2026-02-01");
    await setPolicy(db, notificationsBackend, { cooldown: "50 years" }, "2026-02-01");
    const all = ["important", "low", "tagged", "retired", "unknown"];
    const clusters = [aCluster(), aCluster(), aCluster()];
    await addReports(db, [
      { cluster: clusters[0] ?? "", at: "2026-03-01", hits: all },
      { cluster: clusters[1] ?? "", at: "2026-03-01", hits: ["tagged"] },
    ]);
    await db.query("select decide_due(10, '2026-03-01')");
    await addReports(db, [
      { cluster: clusters[0] ?? "", at: "2026-03-02", hits: all },
      { cluster: clusters[1] ?? "", at: "2026-03-02", hits: all },
      { cluster: clusters[2] ?? "", at: "2026-03-02", hits: all },
    ]);
    const listed = await rows(
      db,
      "select target, issue_id, total_risk from new_issues order by target, issue_id",
    );
    await db.query("select decide_due(10, now())");
    const inserted = await rows(
      db,
      `select t.name as target, n.issue_id, c.total_risk
       from notified_issue n
       join event_targets t on t.id = n.target_id
       join rule_content c on c.id = n.content_id
       where n.notified_at = now() order by 1, 2`,
    );
    assert.deepEqual(listed, inserted);
    assert.equal(listed.length, 6, "to each target: one issue of the second cluster, two of the third");
    // the view stands at now(), when this decision was made; a moment later nothing is left to be notified
    const left = `select count(*)::integer from event_targets t
      cross join lateral decide(t.id, now() + interval '1 microsecond') d where d.decision = 'notify'`;
    assert.equal(await value(db, left), 0);
  }));

test("a question about one cluster reads that cluster only", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net", "cpu"]);
    await db.query(
      `insert into new_reports (org_id, cluster, updated_at, received_at, report)
       select n % 50, 'cluster-' || n, '2026-03-01', '2026-03-01', $1 from generate_series(1, 3000) n`,
      [
        JSON.stringify({
          reports: ["disk", "net", "cpu"].map((rule) => ({ component: `${rule}.report`, key: "KEY" })),
        }),
      ],
    );
    await db.query("select decide_due(10000, '2026-03-01')");
    await db.query("analyze");
    for (const view of ["explain_notification", "new_issues"]) {
      const plan = JSON.stringify(
        await value(db, `explain (format json) select * from ${view} where cluster = 'cluster-77'`),
      );
      const scans = [...plan.matchAll(/"Node Type":"Seq Scan"[^{]*?"Relation Name":"(\w+)"/g)].map(
        ([, name]) => name,
      );
      for (const table of ["issue", "notified_issue", "latest_report"]) {
        assert.ok(!scans.includes(table), `${view} reads all of ${table}`);
        assert.ok(plan.includes(`"Relation Name":"${table}"`), `${view} does not read ${table}`);
      }
    }
  }));
