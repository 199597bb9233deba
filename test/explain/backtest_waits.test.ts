import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { arrivals, hour, steadily, tells } from "../support/backtests.ts";
import { aCluster, loadContent, someContent } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { addSilence, endPolicy, endSilence, setScopedPolicy, toggleRule } from "../support/policies.ts";

const database = testDatabase();

const scene = (work: (db: PoolClient) => Promise<void>) => () =>
  rolledBack(database.pool, async (db) => {
    await db.query("set local statement_timeout = '20s'");
    await loadContent(db, ["disk", "net", "cpu"]);
    await work(db);
  });

test(
  "spacing holds the other issues of a cluster, also those of messages before",
  scene(async (db) => {
    const [cluster, other] = [aCluster(), aCluster()];
    await arrivals(
      db,
      [0, cluster, ["disk"]],
      [2, cluster, ["disk", "net"]],
      [3, cluster, ["disk", "net", "cpu"]],
      [3, other, ["disk"]],
    );
    assert.deepEqual(await tells(db), ["0 disk", "2 net", "3 cpu", "3 disk"]);
    assert.deepEqual(await tells(db, { spacing: "4 hours" }), ["0 disk", "3 disk", "4.03 cpu", "4.03 net"]);
    assert.deepEqual(
      await tells(db, { spacing: "4 hours" }, { from: 2.5 }),
      ["3 disk", "6.03 cpu"],
      "net was notified at 2",
    );
  }),
);

test(
  "what a silence held is notified when it ends, or is ended early",
  scene(async (db) => {
    await addSilence(db, { rule: "disk", ends_at: hour(30) }, hour(0));
    const { id } = await addSilence(db, { rule: "net", ends_at: hour(90) }, hour(0));
    await arrivals(db, ...steadily(aCluster(), ["disk", "net", "cpu"], 8, 1, 60));
    await endSilence(db, id, hour(41));
    assert.deepEqual(await tells(db), ["1 cpu", "30.03 disk", "41 net"]);
    assert.deepEqual(await tells(db, { cooldown: "1 day" }, { to: 56 }), [
      ...["1 cpu", "25 cpu", "30.03 disk", "41 net", "49 cpu", "54.07 disk"],
    ]);
    assert.deepEqual(await tells(db, { total_risk_threshold: 4 }), []);
  }),
);

test(
  "what the age of a report held is notified when the cluster reports again",
  scene(async (db) => {
    const cluster = aCluster();
    await setScopedPolicy(db, {}, { max_report_age: "6 hours" }, hour(-1));
    await addSilence(db, { rule: "disk", ends_at: hour(20) }, hour(-1));
    await arrivals(db, [0, cluster, ["disk"]], [30, cluster, ["disk"]], [31, cluster, ["disk"]]);
    assert.deepEqual(await tells(db), ["30 disk"]);
  }),
);

test(
  "what one silence after another held is notified when the last ends",
  scene(async (db) => {
    const cluster = aCluster();
    await addSilence(db, { rule: "disk", ends_at: hour(10) }, hour(0));
    await addSilence(db, { cluster, ends_at: hour(20) }, hour(5));
    await arrivals(db, [1, cluster, ["disk"]]);
    assert.deepEqual(await tells(db), ["20.03 disk"]);
  }),
);

test(
  "what an acknowledgement held is notified when it is taken back",
  scene(async (db) => {
    const [cluster, other] = [aCluster(), aCluster()];
    await toggleRule(db, cluster, "disk", "", { disabled_at: hour(0) });
    await toggleRule(db, other, "disk", "", { disabled_at: hour(0) });
    await arrivals(db, [1, cluster, ["disk"]], [1, other, ["disk"]]);
    await db.query("update cluster_rule_toggle set disabled = 0, enabled_at = $2 where cluster_id = $1", [
      cluster,
      hour(9),
    ]);
    assert.deepEqual(await tells(db), ["9.03 disk"], "the other never was");
    assert.deepEqual(await tells(db, null, { from: 9 }), ["9.03 disk"]);
    assert.deepEqual(await tells(db, null, { to: 9 }), []);
  }),
);

test(
  "each time is judged by its own content",
  scene(async (db) => {
    const cluster = aCluster();
    const critical = { impact: 4, likelihood: 4 };
    await arrivals(db, ...steadily(cluster, ["disk", "net", "new"], 8, 1, 60));
    await loadContent(db, ["disk", "net", "cpu", "new"], hour(12));
    await loadContent(db, [someContent("disk", critical), "cpu", "new"], hour(20));
    assert.deepEqual(await tells(db), ["1 disk", "1 net", "12.03 new"]);
    assert.deepEqual(await tells(db, { cooldown: "1 day" }, { to: 48 }), [
      ...["1 disk", "1 net", "12.03 new", "25 disk", "36.07 new"],
    ]);
    assert.deepEqual(await tells(db, { total_risk_threshold: 4 }), ["20.03 disk"]);
    assert.deepEqual(await tells(db, { filter: "totalRisk > 3" }), ["20.03 disk"]);
    const again = { total_risk_threshold: 4, cooldown: "12 hours" };
    assert.deepEqual(await tells(db, again, { from: 20, to: 33 }), ["20.03 disk", "32.07 disk"]);
    assert.deepEqual(
      await tells(db, { total_risk_threshold: 4 }, { from: 20 }),
      [],
      "it really was notified before",
    );
    assert.deepEqual(await tells(db, null, { from: 12, to: 13 }), ["12.03 new"]);
  }),
);

test(
  "each time is judged by its own policy: a cooldown that is made shorter ends earlier, one made longer later",
  scene(async (db) => {
    await setScopedPolicy(db, {}, { cooldown: "2 days" }, "2026-02-01");
    await setScopedPolicy(db, {}, { cooldown: "10 hours" }, hour(5));
    await setScopedPolicy(db, { rule: "net" }, { enabled: false }, hour(5));
    await setScopedPolicy(db, {}, { cooldown: "1 day" }, hour(16));
    await arrivals(db, ...steadily(aCluster(), ["disk"], 1, 0, 72));
    await arrivals(db, ...steadily(aCluster(), ["net"], 1, 3.5, 40));
    await endPolicy(db, { rule: "net" }, hour(30));
    assert.deepEqual(await tells(db, null, { to: 60 }), [
      ...["0 disk", "3.5 net", "10 disk", "30.03 net", "34 disk", "54.07 net", "58 disk"],
    ]);
    assert.deepEqual(await tells(db, { cooldown: "30 hours" }, { to: 62 }), [
      "0 disk",
      "3.5 net",
      "30 disk",
      "33.5 net",
      "60 disk",
    ]);
    assert.deepEqual(
      await tells(db, null, { from: 2, to: 12 }),
      ["3.5 net", "10 disk"],
      "it was notified for 2 days",
    );
    assert.deepEqual(await tells(db, null, { from: 12, to: 50 }), ["30.03 net", "34 disk"]);
  }),
);

test(
  "an issue that goes and comes back is notified again after its cooldown only, and never while it is gone",
  scene(async (db) => {
    const cluster = aCluster();
    await arrivals(
      db,
      [0, cluster, ["disk"]],
      [2, cluster, []],
      [4, cluster, ["disk"]],
      [6, cluster, []],
      [11, cluster, ["disk"]],
      [12, cluster, []],
      [13, cluster, ["disk", "net"]],
    );
    assert.deepEqual(await tells(db), ["0 disk", "13 net"]);
    assert.deepEqual(await tells(db, { cooldown: "0" }), [
      "0 disk",
      "4 disk",
      "11 disk",
      "13 disk",
      "13 net",
    ]);
    assert.deepEqual(await tells(db, { cooldown: "3 hours" }, { to: 20 }), [
      ...["0 disk", "4 disk", "11 disk", "13 net", "14.03 disk", "16.03 net", "17.07 disk", "19.07 net"],
    ]);
    assert.deepEqual(await tells(db, { cooldown: "5 hours" }, { to: 13 }), [
      "0 disk",
      "5.03 disk",
      "11 disk",
    ]);
  }),
);

test(
  "an issue that flaps is damped until it has been calm",
  scene(async (db) => {
    const cluster = aCluster();
    await arrivals(
      db,
      ...[0, 2, 4].flatMap((at) => [
        [at, cluster, ["disk"]] as [number, string, string[]],
        [at + 1, cluster, ["net"]] as [number, string, string[]],
      ]),
      [6, cluster, ["disk"]],
    );
    const damp = { cooldown: "1 hour", flapping_occurrences: 3, flapping_window: "5 hours" };
    const disk = async (policy: object) =>
      (await tells(db, { ...damp, ...policy }, { to: 10 })).filter((tell) => tell.endsWith("disk"));
    assert.deepEqual(await disk({ flapping_action: "damp" }), [
      "0 disk",
      "2 disk",
      "7.03 disk",
      "8.07 disk",
      "9.1 disk",
    ]);
    assert.deepEqual((await disk({ flapping_action: "notify" })).slice(0, 4), [
      "0 disk",
      "2 disk",
      "4 disk",
      "6 disk",
    ]);
  }),
);
