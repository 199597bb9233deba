import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  type Claimed,
  claim,
  decideDue,
  decisions,
  delivered,
  loadContent,
  reportAndDecide,
  serviceLog,
  settle,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { addSilence, disableRule, endSilence, messagesAbout, setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
let cluster = "";
beforeEach(() => {
  cluster = aCluster();
});

/** An hour of 1 March 2026. */
const at = (hour: number) => `2026-03-01T${String(hour).padStart(2, "0")}:00:00Z`;

/** In a transaction of its own, with content, and a policy that tells what is resolved. */
const withResolved = (work: (db: PoolClient) => Promise<void>, settings = {}) =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net", "cpu", someContent("low", { impact: 1, likelihood: 1 })]);
    await setScopedPolicy(
      db,
      {},
      { notify_resolved: true, receiver_knows_resolved: true, ...settings },
      "2026-02-01",
    );
    await work(db);
  });

const report = (db: PoolClient, hour: number, ...hits: string[]) =>
  reportAndDecide(db, cluster, at(hour), hits);

const messages = (db: PoolClient, target = 1) => messagesAbout(db, cluster, target);

test("what holds an open issue holds a resolved one, but for the cooldown, and it is notified when that ends", () =>
  withResolved(async (db) => {
    await report(db, 1, "disk", "net");
    const silence = await addSilence(db, { rule: "disk" }, at(1));
    await disableRule(db, 1, "net", "", at(1));
    await report(db, 2);
    assert.deepEqual(await decisions(db, cluster, at(3)), { "disk|KEY": ["silenced"], "net|KEY": ["acked"] });
    await setScopedPolicy(db, {}, { total_risk_threshold: 4, blocked_clusters: [cluster] }, at(3));
    assert.deepEqual((await decisions(db, cluster, at(3)))["disk|KEY"], [
      ...["below_threshold", "cluster_blocked", "silenced"],
    ]);
    await setScopedPolicy(db, {}, { total_risk_threshold: 1, blocked_clusters: [] }, at(4));
    assert.deepEqual(await messages(db), ["there: disk net"]);
    await endSilence(db, silence.id, at(5));
    for (let n = 0; n < 4; n++) await decideDue(db, at(5));
    assert.deepEqual(await messages(db), ["there: disk net", "gone: disk"]);
  }));

test("spacing counts messages about what is there and about what is gone alike", () =>
  withResolved(
    async (db) => {
      await report(db, 1, "disk");
      await report(db, 2);
      assert.deepEqual(await decisions(db, cluster, at(2)), { "disk|KEY": ["spacing"] });
      await report(db, 4);
      assert.deepEqual(await messages(db), ["there: disk", "gone: disk"]);
      assert.deepEqual((await report(db, 5, "net")).notified, 0);
    },
    { spacing: "3 hours" },
  ));

test("only the target whose policy asks for it is notified, in messages of the size that it wants", () =>
  withResolved(
    async (db) => {
      const tags = ["osd_customer"];
      await loadContent(db, [someContent("disk", { tags }), "net", "cpu"], "2026-02-02");
      await setScopedPolicy(db, { target: serviceLog }, { enabled: true, max_events: 5 }, "2026-02-02");
      await report(db, 1, "disk", "net", "cpu");
      await report(db, 2);
      assert.deepEqual(await messages(db, 2), ["there: disk"]);
      assert.deepEqual(
        (await messages(db)).map((message) => message.split(" ").length - 1),
        [2, 1, 2, 1],
      );
    },
    { max_events: 2 },
  ));

test("a message that was given up is notified again, as for an issue that is there", () =>
  withResolved(async (db) => {
    await report(db, 1, "disk");
    await report(db, 2);
    await settle(db, [delivered((await claim(db, at(1)))[0] as Claimed)], at(1));
    const [gone] = await claim(db, at(2));
    await settle(db, [{ id: gone?.id, attempt: 1, sent: false, permanent: true, failure: "server" }], at(3));
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T02:59:59Z"), {}, "it was notified then");
    assert.deepEqual(await decisions(db, cluster, at(3)), { "disk|KEY": "notify" });
    await report(db, 4);
    assert.deepEqual(await messages(db), ["there: disk", "gone: disk", "gone: disk"]);
  }));

test("what is there does not take room in the messages about what is gone", () =>
  withResolved(
    async (db) => {
      await report(db, 1, "disk", "net", "cpu");
      await report(db, 2, "disk");
      assert.deepEqual((await messages(db)).slice(2), ["there: disk", "gone: cpu net"]);
    },
    { max_events: 2, cooldown: "0" },
  ));
