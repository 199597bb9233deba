import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  addReports,
  decideDue,
  jobs,
  loadContent,
  notificationsBackend,
  notified,
  reportAndDecide,
  rows,
  serviceLog,
  setPolicy,
  someContent,
  value,
  wishesBecomeJobs,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { nobodyWaits, setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00.123456Z";

test("a decision commits the message, its ledger and the wake-up of the delivery", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net"]);
    await db.query(
      `insert into new_reports (org_id, account_number, cluster, updated_at, received_at, report)
       values (11, 42, $1, '2026-03-01T11:00:00Z', '2026-03-01T11:00:01Z', $2)`,
      [
        cluster,
        `{"reports":[{"component":"a.disk.report","key":"KEY"},{"component":"a.net.report","key":"KEY"}]}`,
      ],
    );
    await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
    assert.deepEqual(await decideDue(db, at), { clusters: 1, notifications: 1, notified: 2, held: 2 });
    const [message] = await rows(
      db,
      `select target_id, org_id, account_number, cluster, updated_at, decided_at, state, attempts, next_attempt_at,
         (select array_agg(distinct policy_id) from notified_issue)
           = (select array_agg(id) from policy where target_id = 1) as by_policy
       from notification`,
    );
    assert.deepEqual(message, {
      target_id: 1,
      org_id: "11",
      account_number: "42",
      cluster,
      updated_at: "2026-03-01T11:00:00Z",
      decided_at: at,
      state: "pending",
      attempts: 0,
      next_attempt_at: at,
      by_policy: true,
    });
    const ledger = await rows(
      db,
      `select n.target_id, n.notified_at, lower(n.cooldown_period) as begins, upper(n.cooldown_period) as ends,
         n.occurrence, n.live, n.content_id = c.id as right_content
       from notified_issue n
       join issue i on i.id = n.issue_id
       join rule r on r.id = i.rule_id
       join rule_content c on c.rule_name = r.rule_name`,
    );
    const row = {
      target_id: 1,
      notified_at: at,
      begins: at,
      ends: "2026-03-08T12:00:00.123456Z",
      occurrence: 1,
      live: true,
      right_content: true,
    };
    assert.deepEqual(ledger, [row, row]);
    assert.deepEqual(Object.keys(await jobs(db)), ["deliver notifications backend"]);
  }));

test("both targets are woken in the same order whatever the order of their rows, so that two decisions do not deadlock", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, [someContent("disk", { tags: ["osd_customer"] })]);
    await setPolicy(db, serviceLog, { enabled: true }, "2026-02-01");
    // its new version lies behind the other target's row, and that is how they are read
    await db.query("update event_targets set metainfo = metainfo where id = 1");
    await db.query(
      "set local enable_nestloop = off; set local enable_hashagg = off; set local enable_sort = off",
    );
    const stored = await rows(db, "select name from event_targets");
    assert.deepEqual(stored, [{ name: serviceLog }, { name: notificationsBackend }]);
    await addReport(db, aCluster(), at, ["disk"]);
    await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
    assert.equal((await decideDue(db, at)).notifications, 2);
    await db.query(wishesBecomeJobs);
    assert.deepEqual(await rows(db, "select key from graphile_worker.jobs order by id"), [
      { key: "deliver notifications backend" },
      { key: "deliver service log" },
    ]);
  }));

test("nothing waits: nothing happens", () =>
  rolledBack(database.pool, async (db) => {
    await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
    assert.deepEqual(await decideDue(db, at), { clusters: 0, notifications: 0, notified: 0, held: 0 });
    assert.deepEqual(await jobs(db), {});
  }));

test("a cluster is decided once, and only the clusters that wait are", () =>
  rolledBack(database.pool, async (db) => {
    const [one, other] = [aCluster(), aCluster()];
    await loadContent(db, ["disk"]);
    await nobodyWaits(db);
    await addReport(db, one, at, ["disk"]);
    await addReport(db, other, at, ["disk"]);
    await db.query("delete from decision_due where cluster = $1", [other]);
    assert.equal((await decideDue(db, at)).clusters, 1);
    assert.equal((await decideDue(db, at)).clusters, 0);
    assert.deepEqual([await notified(db, one), await notified(db, other)], [[["disk|KEY"]], []]);
  }));

test("the clusters that wait longest are decided first, as many as asked for", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    const clusters = [aCluster(), aCluster(), aCluster()];
    for (const cluster of clusters) await addReport(db, cluster, at, ["disk"]);
    const waiting = ["2026-03-01T03:00Z", "2026-03-01T01:00Z", "2026-03-01T02:00Z"];
    for (const [i, due] of waiting.entries()) {
      await db.query("update decision_due set due_at = $2 where cluster = $1", [clusters[i], due]);
    }
    assert.equal((await decideDue(db, at, 2)).clusters, 2);
    assert.deepEqual(await rows(db, "select cluster from decision_due"), [{ cluster: clusters[0] }]);
  }));

test("more issues than fit one message go into further messages, the gravest first, none is dropped", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const hits = ["a", "b", "c", "d", "e"];
    await loadContent(
      db,
      hits.map((hit) => (hit === "e" ? someContent(hit, { impact: 4, likelihood: 4 }) : hit)),
    );
    await setPolicy(db, notificationsBackend, { max_events: 2 }, "2026-02-01");
    assert.deepEqual(await reportAndDecide(db, cluster, at, hits), {
      clusters: 1,
      notifications: 3,
      notified: 5,
      held: 5,
    });
    const messages = await notified(db, cluster);
    assert.deepEqual(
      messages.map((issues) => issues.length),
      [2, 2, 1],
    );
    assert.ok(messages[0]?.includes("e|KEY"), "the gravest is in the first");
    assert.deepEqual(messages.flat().sort(), ["a|KEY", "b|KEY", "c|KEY", "d|KEY", "e|KEY"]);
    assert.equal(await value(db, "select count(distinct message_id)::integer from notification"), 3);
  }));

test("the service log gets one message for each issue", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [
      someContent("a", { tags: ["osd_customer"] }),
      someContent("b", { tags: ["osd_customer"] }),
    ]);
    await setPolicy(db, serviceLog, { enabled: true }, "2026-02-01");
    await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
    await reportAndDecide(db, cluster, at, ["a", "b"]);
    assert.deepEqual((await notified(db, cluster, serviceLog)).flat().sort(), ["a|KEY", "b|KEY"]);
    assert.equal((await notified(db, cluster, serviceLog)).length, 2);
    assert.equal((await notified(db, cluster, notificationsBackend)).length, 1);
    assert.deepEqual(Object.keys(await jobs(db)), [
      "decide",
      "deliver notifications backend",
      "deliver service log",
    ]);
  }));

test("many clusters are decided together, each with a message of its own and one wake-up for all", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    const clusters = [aCluster(), aCluster(), aCluster()];
    await addReports(
      db,
      clusters.map((cluster) => ({ cluster, at, hits: ["disk"] })),
    );
    await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
    assert.deepEqual(await decideDue(db, at), { clusters: 3, notifications: 3, notified: 3, held: 3 });
    for (const cluster of clusters) assert.deepEqual(await notified(db, cluster), [["disk|KEY"]]);
    await db.query(wishesBecomeJobs);
    assert.equal(await value(db, "select count(*)::integer from graphile_worker.jobs"), 1);
  }));

test("how many issues fit one message is counted for each cluster", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["a", "b"]);
    await setPolicy(db, notificationsBackend, { max_events: 2 }, "2026-02-01");
    const clusters = [aCluster(), aCluster()];
    await addReport(db, clusters[0] ?? "", at, ["a"]);
    await addReport(db, clusters[1] ?? "", at, ["a", "b"]);
    await decideDue(db, at);
    for (const cluster of clusters) assert.equal((await notified(db, cluster)).length, 1);
  }));

test("what is rolled back was never notified", async () => {
  const cluster = aCluster();
  await rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    assert.equal((await reportAndDecide(db, cluster, at, ["disk"])).notified, 1);
  });
  const left = await rows(
    database.pool,
    `select (select count(*) from notification) + (select count(*) from notified_issue) + (select count(*) from reported)
       + (select count(*) from graphile_worker.jobs) as count`,
  );
  assert.deepEqual(left, [{ count: "0" }]);
});

test("the ledger refuses an issue notified twice to one target inside a cooldown, whoever writes", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, aCluster(), at, ["disk"]);
    await db.query(
      `insert into notification (id, target_id, org_id, account_number, cluster, updated_at, decided_at, next_attempt_at)
       select 9000, 1, 1, 0, 'x', decided_at, decided_at, decided_at from notification`,
    );
    await assert.rejects(
      db.query(
        `insert into notified_issue
           (notification_id, issue_id, target_id, notified_at, cooldown_period, occurrence, content_id, policy_id)
         select 9000, issue_id, 1, notified_at + interval '6 days',
           tstzrange(notified_at + interval '6 days', notified_at + interval '8 days'), 1, content_id, policy_id
         from notified_issue`,
      ),
      /notified_once_per_cooldown/,
    );
  }));

test("a cooldown of a month minus 30 days ends before it begins in February, and still stops nothing", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await setPolicy(db, notificationsBackend, { cooldown: "1 month -30 days" }, "2026-01-01");
    const { notified: count } = await reportAndDecide(db, aCluster(), "2026-02-01", ["disk"]);
    assert.equal(count, 1);
  }));

test("a cluster that is asked about too early, since the clock went back, is asked again in time", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    const now = String(await value(db, "select clock_timestamp()"));
    await addReport(db, cluster, now, ["disk"]);
    // as another server wrote it, whose clock was ahead
    const later = String(
      await value(
        db,
        `with report as (update latest_report set received_at = received_at + interval '1 hour' returning received_at),
           known as (update occurrence set known_from = known_from + interval '1 hour')
         select received_at from report`,
      ),
    );
    const [early] = await rows(db, "select clusters, notified, held from decide_due(10)");
    assert.deepEqual(early, { clusters: 1, notified: 0, held: 0 }, "nothing is known yet");
    assert.deepEqual(await rows(db, "select cluster, due_at, by_report from decision_due"), [
      { cluster, due_at: later, by_report: true },
    ]);
    await addReport(db, aCluster(), now, []);
    assert.equal(await value(db, "select clusters from decide_due(10)"), 1, "not before");
    const due = new Date(Date.parse(later) + 60_000).toISOString();
    assert.deepEqual(await decideDue(db, due), { clusters: 1, notifications: 1, notified: 1, held: 1 });
  }));

test("where the issues of a message follow several policies, the smallest max_events counts", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["a", "b", "c"]);
    await setScopedPolicy(db, { rule: "b" }, { max_events: 2 }, "2026-02-01");
    await reportAndDecide(db, cluster, at, ["a", "b", "c"]);
    assert.deepEqual(
      (await notified(db, cluster)).map((issues) => issues.length),
      [2, 1],
    );
  }));
