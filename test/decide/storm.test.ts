import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  addReports,
  type Db,
  decideDue,
  decisions,
  loadContent,
  notificationsBackend,
  rows,
  serviceLog,
  setPolicy,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { takeRequests } from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();
/** A moment of the day of the storm. */
const on = (time: string) => `2026-03-01T${time}Z`;

/** At noon: so many clusters report these hits; the brake allows three clusters a rule, six in all. */
async function fleet(db: Db, size: number, hits: (nth: number) => string[], minimum = 3): Promise<string[]> {
  await loadContent(db, ["disk", "net", "cpu"]);
  await setPolicy(db, notificationsBackend, { storm_share: 0.01, storm_minimum: minimum }, "2026-02-01");
  return report(db, size, hits, on("12:00:00"));
}

async function report(db: Db, size: number, hits: (nth: number) => string[], at: string): Promise<string[]> {
  const clusters = Array.from({ length: size }, aCluster);
  await addReports(
    db,
    clusters.map((cluster, nth) => ({ cluster, at, hits: hits(nth) })),
  );
  return clusters;
}

const storms = (db: Db) =>
  rows(db, "select rule_name, cluster_limit, notified, released from storm order by began_at, rule_name");

test("beyond the limit of a rule its clusters are held, and others are not", () =>
  rolledBack(database.pool, async (db) => {
    const clusters = await fleet(db, 6, (nth) => (nth === 5 ? ["net"] : ["disk"]));
    assert.partialDeepStrictEqual(await decideDue(db, on("12:01:00")), { clusters: 6, notified: 4 });
    assert.deepEqual(await storms(db), [
      { rule_name: "disk", cluster_limit: 3, notified: 3, released: null },
    ]);
    assert.equal(await value(db, "select count(*)::integer from decision_due where by_report"), 2);
    assert.deepEqual(await decisions(db, clusters[3] as string, on("12:01:01")), { "disk|KEY": ["storm"] });
    assert.equal((await decideDue(db, on("12:01:01"))).notified, 0);
    assert.deepEqual(
      await rows(db, "select state, count(*)::integer as n from reported group by state"),
      [{ state: 2, n: 2 }],
      "the report was read, and nobody was notified",
    );
    // the past keeps its answer
    assert.deepEqual(await decisions(db, clusters[0] as string, on("12:01:00")), { "disk|KEY": "notify" });
  }));

test("the limit counts what earlier decisions of the hour notified", () =>
  rolledBack(database.pool, async (db) => {
    await fleet(db, 2, () => ["disk"]);
    assert.equal((await decideDue(db, on("12:00:10"))).notified, 2);
    await report(db, 2, () => ["disk"], on("12:30:00"));
    assert.equal((await decideDue(db, on("12:31:00"))).notified, 1);
    assert.deepEqual(await storms(db), [
      { rule_name: "disk", cluster_limit: 3, notified: 3, released: null },
    ]);
  }));

test("what was notified more than an hour ago does not count", () =>
  rolledBack(database.pool, async (db) => {
    await fleet(db, 3, () => ["disk"]);
    assert.equal((await decideDue(db, on("12:00:10"))).notified, 3);
    await report(db, 3, () => ["disk"], on("13:00:00"));
    assert.equal((await decideDue(db, on("13:00:10"))).notified, 3);
    assert.deepEqual(await storms(db), []);
  }));

test("beyond twice the limit of a rule everything for the target is held", () =>
  rolledBack(database.pool, async (db) => {
    const rules = ["disk", "net", "cpu"];
    const clusters = await fleet(db, 9, (nth) => [rules[nth % 3] as string]);
    assert.equal((await decideDue(db, on("12:01:00"))).notified, 6);
    assert.deepEqual(await storms(db), [{ rule_name: null, cluster_limit: 6, notified: 6, released: null }]);
    assert.deepEqual(await decisions(db, clusters[8] as string, on("12:02:00")), { "cpu|KEY": ["storm"] });
  }));

test("the limit is a share of the clusters that reported within a day", () =>
  rolledBack(database.pool, async (db) => {
    await fleet(db, 10, () => [], 1);
    await setPolicy(db, notificationsBackend, { storm_share: 0.25 }, "2026-02-02");
    await report(db, 10, () => [], "2026-02-28T12:00:00Z");
    await db.query("select count_fleet($1)", [on("13:00:00")]);
    assert.deepEqual(
      await rows(db, "select rule_limit, target_limit from storm_limits($1)", [on("13:00:00")]),
      [{ rule_limit: 3, target_limit: 6 }],
    );
  }));

test("a target without a brake, or before it begins to work, has no storm", () =>
  rolledBack(database.pool, async (db) => {
    await fleet(db, 5, () => ["disk"]);
    await setPolicy(db, notificationsBackend, { storm_from: on("18:00:00") }, "2026-02-02");
    assert.equal((await decideDue(db, on("12:01:00"))).notified, 5);
    await setPolicy(db, notificationsBackend, { storm_from: null, storm_share: null }, on("19:00:00"));
    await report(db, 5, () => ["disk"], on("19:30:00"));
    assert.equal((await decideDue(db, on("19:31:00"))).notified, 5);
    assert.deepEqual(await storms(db), []);
  }));

test("what a released storm held is decided anew, and is no storm again", () =>
  rolledBack(database.pool, async (db) => {
    await fleet(db, 8, () => ["disk"]);
    await decideDue(db, on("12:01:00"));
    await decideDue(db, on("12:01:01"));
    await db.query("select release_storm((select id from storm), 'the rule is right', $1)", [on("12:20:00")]);
    await takeRequests(db, on("12:20:00"));
    assert.equal((await decideDue(db, on("12:20:01"))).notified, 5);
    assert.deepEqual(await storms(db), [
      { rule_name: "disk", cluster_limit: 3, notified: 3, released: true },
    ]);
    await refused(db, "NTW02", () =>
      db.query("select drop_storm((select id from storm), 'too late', $1)", [on("12:21:00")]),
    );
  }));

test("what a dropped storm held stays held until the issue goes", () =>
  rolledBack(database.pool, async (db) => {
    const clusters = await fleet(db, 5, () => ["disk"]);
    await decideDue(db, on("12:01:00"));
    await decideDue(db, on("12:01:01"));
    await db.query("select drop_storm((select id from storm), 'wrong threshold', $1)", [on("12:20:00")]);
    const [notified, waited] = [clusters[0] as string, clusters[4] as string];
    const weeksLater = "2026-03-20T00:00:00Z";
    assert.deepEqual(await decisions(db, waited, weeksLater), { "disk|KEY": ["storm"] });
    assert.deepEqual(await decisions(db, notified, weeksLater), { "disk|KEY": "notify" }, "it was notified");
    await addReports(db, [{ cluster: waited, at: on("14:00:00"), hits: [] }]);
    await addReports(db, [{ cluster: waited, at: on("15:00:00"), hits: ["disk"] }]);
    assert.deepEqual(await decisions(db, waited, on("15:00:01")), { "disk|KEY": "notify" }, "it came back");
  }));

test("a storm ends for a reason, and a target without a storm is not held", () =>
  rolledBack(database.pool, async (db) => {
    await fleet(db, 5, () => ["disk"]);
    await decideDue(db, on("12:01:00"));
    for (const end of ["release_storm", "drop_storm"]) {
      await refused(db, "NTW01", () => db.query(`select ${end}((select id from storm), 'why ')`));
      await refused(db, "NTW02", () => db.query(`select ${end}(-1, 'because of it')`));
    }
    assert.deepEqual(await decisions(db, "none", on("12:02:00"), "service log"), {});
    // by the clock of now the cooldowns of those that were notified have ended, too
    assert.deepEqual(await rows(db, "select rule_name, state, notified, waiting::integer from storms"), [
      { rule_name: "disk", state: "going on", notified: 3, waiting: 5 },
    ]);
  }));

test("the replay of a past period knows the storms of that time", () =>
  rolledBack(database.pool, async (db) => {
    await fleet(db, 5, () => ["disk"]);
    await decideDue(db, on("12:01:00"));
    await decideDue(db, on("12:01:01"));
    assert.equal(
      await value(db, "select sum(issues)::integer from backtest('notifications backend', $1, $2)", [
        "2026-03-01",
        "2026-03-02",
      ]),
      3,
    );
  }));

test("a storm that was released holds nothing, also while another target has one of the same rule", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await setPolicy(db, serviceLog, { enabled: true, required_tags: [] }, "2026-02-01");
    await addReport(db, cluster, "2026-03-01", ["disk"]);
    await db.query(
      `insert into storm (target_id, rule_name, began_at, cluster_limit, notified, ended_at, released, ended_by, reason)
       values (1, 'disk', '2026-03-02', 1, 1, '2026-03-03', true, 'me', 'released'),
         (2, 'disk', '2026-03-02', 1, 1, null, null, null, null)`,
    );
    assert.deepEqual(await decisions(db, cluster, "2026-03-02T12:00:00Z"), { "disk|KEY": ["storm"] });
    assert.deepEqual(await decisions(db, cluster, "2026-03-04"), { "disk|KEY": "notify" });
    assert.deepEqual(await decisions(db, cluster, "2026-03-04", serviceLog), { "disk|KEY": ["storm"] });
  }));
