import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import {
  aCluster,
  addReports,
  type Db,
  decideDue,
  jobs,
  loadContent,
  notified,
  rows,
  value,
  wishesBecomeJobs,
} from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { addSilence, disableRule, endSilence, setScopedPolicy } from "../support/policies.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const afterAt = "2026-03-01T12:00:01Z";

/** What is committed of a policy stays, so every test speaks of another organization. */
let org = 0;

beforeEach(async () => {
  org++;
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification, notified_issue, reported, rule_content, doubtful_text, filter_result, silence, rule_disable, acknowledgement;
     delete from graphile_worker._private_jobs;
     select ensure_partition('reported', '2026-03-01')`,
  );
});

const periodEnd = (db: Db) => value(db, "select upper(cooldown_period) from notified_issue");

/** Fails instead of waiting for a lock. */
const waitForNobody = (db: Db) => db.query("set local lock_timeout = '100ms'");

test("two changes of a policy at once: the second waits, and changes what the first made of it", () =>
  twoSessions(database.pool, async (first, second) => {
    await setScopedPolicy(first, { org }, { cooldown: "1 day" }, "2026-03-01T11:00:00Z");
    const changed = setScopedPolicy(second, { org }, { max_events: 5 }, "2026-03-01T12:00:00Z");
    await waitsForLock(database.pool, second, changed);
    await first.query("commit");
    await changed;
    assert.deepEqual(
      await rows(
        second,
        "select cooldown::text, max_events from policy where org_id = $1 and upper_inf(validity)",
        [org],
      ),
      [{ cooldown: "1 day", max_events: 5 }],
    );
  }));

test("changes of the policies of two targets do not wait for each other", () =>
  twoSessions(database.pool, async (first, second) => {
    await setScopedPolicy(first, { org }, { cooldown: "1 day" }, at);
    await waitForNobody(second);
    await setScopedPolicy(second, { org, target: "service log" }, { cooldown: "1 day" }, at);
  }));

test("whatever a person has changed and not committed, reports come in and are decided by what stood before", () =>
  twoSessions(database.pool, async (person, service) => {
    const cluster = aCluster();
    await loadContent(database.pool, ["disk", "net"]);
    await addReports(database.pool, [{ org, cluster, at, hits: ["disk"] }]);
    const silence = await addSilence(database.pool, { org_id: org, rule: "net" });
    await disableRule(database.pool, org, "cpu", "");
    await decideDue(database.pool, at);

    await setScopedPolicy(person, { org }, { cooldown: "1 day" }, afterAt);
    await person.query("select acknowledge($1, 'disk'), unacknowledge($1, 'cpu')", [org]);
    await endSilence(person, silence.id, afterAt);
    await loadContent(person, ["disk", "net", "cpu"], afterAt);

    await waitForNobody(service);
    await addReports(service, [{ org, cluster, at: "2026-03-01T13:00:00Z", hits: ["disk", "net"] }]);
    const decided = await decideDue(service, "2026-03-01T13:00:00Z");
    assert.deepEqual([decided.clusters, decided.notified], [1, 0], "cooldown and silence");
    await service.query("commit");
    await database.pool.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);

    await person.query("commit");
    assert.deepEqual(Object.keys(await jobs(database.pool)), ["decide"], "the commit wakes the decider");
    for (let n = 0; n < 5; n++) await decideDue(database.pool, "2026-03-01T13:30:00Z");
    assert.deepEqual(await notified(database.pool, cluster), [["disk|KEY"], ["net|KEY"]]);
    assert.equal(
      await value(database.pool, "select min(upper(cooldown_period)) from notified_issue"),
      "2026-03-02T12:00:00Z",
      "the ledger follows the policy",
    );
  }));

test("a person's change does not wait for the decision that is being made; the ledger follows with the next", () =>
  twoSessions(database.pool, async (decider, person) => {
    const cluster = aCluster();
    await loadContent(database.pool, ["disk"]);
    const silence = await addSilence(database.pool, { org_id: org, rule: "net" });
    await addReports(database.pool, [{ org, cluster, at, hits: ["disk"] }]);
    assert.equal((await decideDue(decider, at)).notified, 1);
    await waitForNobody(person);
    await setScopedPolicy(person, { org }, { cooldown: "1 day" }, afterAt);
    await person.query("select acknowledge($1, 'net'), unacknowledge($1, 'net')", [org]);
    await endSilence(person, silence.id, afterAt);
    await person.query("commit");
    await decider.query("commit");
    assert.equal(await periodEnd(database.pool), "2026-03-08T12:00:00Z");
    assert.equal((await decideDue(database.pool, afterAt)).clusters, 1, "it is asked again");
    assert.equal(await periodEnd(database.pool), "2026-03-02T12:00:00Z");
  }));
