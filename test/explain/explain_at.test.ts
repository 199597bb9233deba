import assert from "node:assert/strict";
import { test } from "node:test";
import { answersAt, explainAt, on } from "../support/answers.ts";
import {
  aCluster,
  aReport,
  type Db,
  loadContent,
  notificationsBackend,
  reportAndDecide,
  rows,
  serviceLog,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { aLetteredCluster, setScopedPolicy } from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();
const newAt = async (db: Db, at: string, target: string | null = null): Promise<string[]> =>
  (
    await rows(
      db,
      "select target || ' ' || rule_name(component) as issue from new_issues_at($1, $2) order by 1",
      [at, target],
    )
  ).map(({ issue }) => String(issue));

test("at any time it says what a decision at that time said", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", someContent("low", { impact: 1, likelihood: 1 })]);
    await reportAndDecide(db, cluster, on(1), ["disk", "low"]);
    await reportAndDecide(db, cluster, on(3), []);
    await reportAndDecide(db, cluster, on(5), ["disk"]);
    const low = "low|KEY hold below_threshold";
    assert.deepEqual(await answersAt(db, on(1, "11:59"), cluster), []);
    assert.deepEqual(await answersAt(db, on(1), cluster), ["disk|KEY notify", low]);
    assert.deepEqual(await answersAt(db, on(1, "12:01"), cluster), ["disk|KEY hold cooldown", low]);
    assert.deepEqual(await answersAt(db, on(3), cluster), []);
    assert.deepEqual(await answersAt(db, on(5), cluster), ["disk|KEY hold cooldown"]);
    assert.deepEqual(await answersAt(db, on(8), cluster), ["disk|KEY notify"]);
    const [second] = await explainAt(db, on(5), cluster);
    assert.deepEqual(
      [second?.occurrence, second?.issue_state, second?.last_seen, second?.last_notified_at],
      [2, "regressed", on(5), on(1)],
    );
  }));

test("new_issues_at lists what was to be notified then, for all targets or one", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, [someContent("disk", { tags: ["osd_customer"] }), "net"]);
    await setScopedPolicy(db, { target: serviceLog }, { enabled: true }, "2026-02-01");
    await reportAndDecide(db, aCluster(), on(1), ["disk", "net"]);
    const all = [`${notificationsBackend} disk`, `${notificationsBackend} net`, `${serviceLog} disk`];
    assert.deepEqual(await newAt(db, on(1)), all);
    assert.deepEqual(await newAt(db, on(1), serviceLog), [`${serviceLog} disk`]);
    assert.deepEqual(await newAt(db, on(2)), []);
    assert.deepEqual(await newAt(db, on(9)), all);
  }));

test("a cluster is found in any case, a target that does not exist is refused", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aLetteredCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, on(1), ["disk"]);
    await reportAndDecide(db, aCluster(), on(1), ["disk"]);
    const found = await explainAt(db, on(1), cluster.toUpperCase(), null);
    assert.deepEqual(
      found.map((row) => [row.target, row.cluster]),
      [
        [notificationsBackend, cluster],
        [serviceLog, cluster],
      ],
    );
    const noSuchTarget = "NTG01";
    for (const question of ["explain_at(now(), 'nobody')", "new_issues_at(now(), 'nobody')"]) {
      await refused(db, noSuchTarget, () => db.query(`select * from ${question}`));
    }
  }));

test("a question about one cluster of the past reads that cluster only", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net"]);
    await db.query(
      `insert into new_reports (org_id, cluster, updated_at, report, received_at)
       select n % 50, 'cluster-' || n, $2, $1, $2 from generate_series(1, 3000) n`,
      [aReport("disk", "net"), on(1)],
    );
    await db.query("select decide_due(10000, $1)", [on(1)]);
    await db.query("analyze");
    const questions = [
      "explain_at('2026-03-02', cluster => 'CLUSTER-77')",
      "explain_at('2026-03-02', 'service log', 'cluster-77')",
      "explain_at('2026-03-02') where cluster = 'cluster-77'",
      "new_issues_at('2026-03-02') where cluster = 'cluster-77'",
    ];
    for (const question of questions) {
      const plan = JSON.stringify(await value(db, `explain (format json) select * from ${question}`));
      for (const table of ["issue", "occurrence", "notified_issue", "latest_report"]) {
        assert.ok(plan.includes(`"Relation Name":"${table}"`), `${question} does not read ${table}`);
        assert.doesNotMatch(plan, new RegExp(`"Seq Scan"[^{}]*"Relation Name":"${table}"`), question);
      }
    }
  }));

test("a question checks its arguments once, however many issues it answers for", async () =>
  rolledBack(database.pool, async (db) => {
    const hits = Array.from({ length: 20 }, (_, index) => `rule_${index}|KEY`);
    await reportAndDecide(db, aCluster(), new Date().toISOString(), hits);
    await db.query("set local track_functions = 'all'");
    for (const question of [
      "select * from explain_notification",
      "select * from explain_at(now(), settings_at => now() - interval '1 hour')",
      "select * from new_issues_at(now())",
      "select * from explain_diff",
      "select * from preview_silence(org_id => 1)",
    ]) {
      const before = await callsOfGiven(db);
      await db.query(question);
      const calls = (await callsOfGiven(db)) - before;
      assert.ok(calls <= 2, `${question}: ${calls} calls`);
    }
  }));

const callsOfGiven = async (db: Db): Promise<number> => {
  const asked = "select calls::integer from pg_stat_xact_user_functions where funcname = 'given'";
  return Number((await rows(db, asked))[0]?.calls ?? 0);
};
