import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { on } from "../support/answers.ts";
import {
  aCluster,
  addReport,
  addReports,
  aMessage,
  claimOne,
  decideDue,
  delivered,
  ingest,
  loadContent,
  notificationsBackend,
  replaceReport,
  reportAndDecide,
  rows,
  serviceLog,
  settle,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { aLetteredCluster, setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const content = ["disk", "net", someContent("low", { impact: 1, likelihood: 1 })];
const tagged = someContent("tagged", { tags: ["osd_customer"] });

/** What became of a report, as `state[ decided at]: rule decision reason …`; of all targets, or one. */
async function explained(db: PoolClient, cluster: string, at: string, target?: string): Promise<string[]> {
  const found = await rows(
    db,
    `select target, report_state || coalesce(to_char(decided_at at time zone 'UTC', ' DD HH24:MI'), '')
       || ': ' || coalesce(nullif(array_to_string(rule_name(component) || (decision || reasons), ' '), ''), 'nothing') as answer
     from explain_report(1, $1, $2, '2026-03-20T00:00:00Z')`,
    [cluster, at],
  );
  const all = target === undefined ? [notificationsBackend, serviceLog] : [target];
  return all.flatMap((name) =>
    found.filter((row) => row.target === name).map(({ answer }) => String(answer)),
  );
}

test("a decided report shows each hit's decision as it was taken, for both targets", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [...content, tagged]);
    await setScopedPolicy(db, { target: serviceLog }, { enabled: true }, "2026-02-01");
    await reportAndDecide(db, cluster, on(1), ["disk", "low", "tagged"]);
    await setScopedPolicy(db, {}, { total_risk_threshold: 4 }, on(2));
    await reportAndDecide(db, cluster, on(3), ["disk", "net"]);
    assert.deepEqual(await explained(db, cluster, on(1)), [
      "decided 01 12:00: disk notify",
      "decided 01 12:00: low hold below_threshold",
      "decided 01 12:00: tagged notify",
      "decided 01 12:00: disk hold missing_tag",
      "decided 01 12:00: low hold missing_tag",
      "decided 01 12:00: tagged notify",
    ]);
    assert.deepEqual(await explained(db, cluster, on(3), notificationsBackend), [
      "decided 03 12:00: disk hold below_threshold cooldown",
      "decided 03 12:00: net hold below_threshold",
    ]);
    const [notified] = await rows(
      db,
      `select issue_state, last_notified_at, next_eligible_at, policy_id is not null as by_policy
       from explain_report(1, $1, $2) where target = $3 and component like '%disk%'`,
      [cluster, on(3), notificationsBackend],
    );
    assert.deepEqual(notified, {
      issue_state: "new",
      last_notified_at: on(1),
      next_eligible_at: on(8),
      by_policy: true,
    });
  }));

test("a report that is asked about again keeps its first decision, delivered or not", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await setScopedPolicy(db, {}, { cooldown: "2 hours" }, "2026-02-01");
    await reportAndDecide(db, cluster, on(1), ["disk"]);
    await db.query("select sweep($1)", [on(1, "14:00")]);
    await decideDue(db, on(1, "14:00"));
    const answer = ["decided 01 12:00: disk notify"];
    assert.deepEqual(await explained(db, cluster, on(1), notificationsBackend), answer);
    await settle(db, [delivered(await claimOne(db, on(1, "14:00")))], on(1, "14:01"));
    assert.deepEqual(await explained(db, cluster, on(1), notificationsBackend), answer, "the first is out");
    await settle(db, [delivered(await claimOne(db, on(1, "14:01")))], on(1, "14:02"));
    assert.deepEqual(await explained(db, cluster, on(1), notificationsBackend), answer, "both are");
  }));

test("a report that waits shows the decision that would be taken", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, content);
    await addReport(db, cluster, on(1), ["disk", "low"]);
    assert.deepEqual(await explained(db, cluster, on(1)), [
      "waiting: disk notify",
      "waiting: low hold below_threshold",
      "waiting: disk hold target_disabled missing_tag",
      "waiting: low hold target_disabled missing_tag",
    ]);
  }));

test("a report that a newer one overtook was never decided on", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, content);
    await addReport(db, cluster, on(1), ["disk"]);
    await addReport(db, cluster, on(2), ["disk", "low"]);
    await decideDue(db, on(2));
    await addReports(db, [{ cluster, at: on(1, "13:00"), arrived: on(3), hits: ["low"] }]);
    await decideDue(db, on(3));
    const nothing = (rule: string) => [`superseded: ${rule}`, `superseded: ${rule}`];
    const states = await rows(
      db,
      `select to_char(r.updated_at, 'DD') as day, array_agg(e.report_state || ': ' || rule_name(e.component)) as states,
         count(e.decision)::integer as decisions
       from new_reports r cross join lateral explain_report(r.org_id, r.cluster, r.updated_at) e
       where r.updated_at < $1 group by r.updated_at order by r.updated_at`,
      [on(2)],
    );
    assert.deepEqual(
      states.map(({ states, decisions }) => [states, decisions]),
      [
        [nothing("disk"), 0],
        [nothing("low"), 0],
      ],
    );
  }));

test("a report that cannot be read says so", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, on(1), "{");
    assert.deepEqual(await explained(db, cluster, on(1)), ["unreadable: nothing", "unreadable: nothing"]);
  }));

test("without hits, or with the target switched off, there is nothing to record", () =>
  rolledBack(database.pool, async (db) => {
    const [empty, cluster] = [aCluster(), aCluster()];
    await loadContent(db, content);
    await reportAndDecide(db, empty, on(1), []);
    assert.deepEqual(await explained(db, empty, on(1)), [
      "nothing to record: nothing",
      "nothing to record: nothing",
    ]);
    await reportAndDecide(db, cluster, on(1), ["low"]);
    assert.deepEqual(await explained(db, cluster, on(1)), [
      "decided 01 12:00: low hold below_threshold",
      "nothing to record: low hold target_disabled missing_tag",
    ]);
  }));

test("an upload that was run again shows the decision about what it says now", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, content);
    await reportAndDecide(db, cluster, on(1), ["disk"]);
    const other = aCluster();
    await reportAndDecide(db, other, on(1), ["low"]);
    await replaceReport(db, cluster, on(1), ["disk", "net"], on(2));
    await replaceReport(db, other, on(1), ["low", "net"], on(2));
    assert.deepEqual(await explained(db, cluster, on(1), notificationsBackend), [
      "waiting: disk notify",
      "waiting: net notify",
    ]);
    // a replay is no decision
    await db.query("update notification set state = 'sent', ended_at = decided_at");
    await db.query("select replay($1, $2, at => $2)", [on(1), on(2)]);
    assert.deepEqual(await explained(db, cluster, on(1), notificationsBackend), [
      "waiting: disk notify",
      "waiting: net notify",
    ]);
    await decideDue(db, on(2));
    assert.deepEqual(await explained(db, cluster, on(1), notificationsBackend), [
      "decided 02 12:00: disk hold cooldown",
      "decided 02 12:00: net notify",
    ]);
    assert.deepEqual(await explained(db, other, on(1), notificationsBackend), [
      "decided 02 12:00: low hold below_threshold",
      "decided 02 12:00: net notify",
    ]);
  }));

test("a cluster is found in any case; a report that is not stored has no row", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aLetteredCluster();
    await loadContent(db, content);
    await reportAndDecide(db, cluster, on(1), ["disk"]);
    assert.equal((await explained(db, cluster.toUpperCase(), on(1))).length, 2);
    assert.deepEqual(await explained(db, cluster, on(1, "12:01")), []);
    assert.deepEqual(await explained(db, aCluster(), on(1)), []);
    const ofAnother = "select * from explain_report(2, $1, $2)";
    assert.deepEqual(await rows(db, ofAnother, [cluster, on(1)]), [], "nor that of another organization");
  }));

test("a report whose decision waits for the rest of its partition says until when", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await ingest(db, [aMessage(0, cluster, on(1), ["disk"])], { at: on(1), decideWithin: "10 minutes" });
    const states = async (at: string) =>
      rows(
        db,
        `select report_state, decision, postponed_until from explain_report(1, $1, $2, $3) where target = $4`,
        [cluster, on(1), at, notificationsBackend],
      );
    const until = on(1).replace("12:00", "12:10");
    assert.deepEqual(await states(on(1)), [
      { report_state: "postponed", decision: "notify", postponed_until: until },
    ]);
    assert.deepEqual(await states(until), [
      { report_state: "waiting", decision: "notify", postponed_until: null },
    ]);
  }));
