import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  addReports,
  decideDue,
  decisions,
  loadContent,
  reportAndDecide,
  rows,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { explained, nobodyWaits, setScopedPolicy, waiting } from "../support/policies.ts";

const database = testDatabase();
const base = Date.parse("2026-03-01T00:00:00Z");

/** So many hours after midnight of 1 March 2026. */
const at = (hours: number) => new Date(base + hours * 3_600_000).toISOString().replace(".000Z", "Z");

/** The issue disk is there from each of these hours on, for half an hour. */
async function comesAndGoes(db: PoolClient, cluster: string, hours: number[]): Promise<void> {
  for (const hour of hours) {
    await addReport(db, cluster, at(hour), ["disk"]);
    if (hour !== hours.at(-1)) await addReport(db, cluster, at(hour + 0.5), []);
  }
}

const damp = { flapping_occurrences: 3, flapping_window: "6 hours", flapping_action: "damp", cooldown: "0" };

/** In a transaction of its own; three occurrences within six hours are flapping, and held. */
const damped = (work: (db: PoolClient, cluster: string) => Promise<void>, settings = {}) =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await setScopedPolicy(db, {}, { ...damp, ...settings }, "2026-02-01");
    await work(db, aCluster());
  });

const state = async (db: PoolClient, cluster: string, when: string) =>
  (await explained(db, cluster, when))["disk|KEY"]?.issue_state;

test("new, then regressed, then flapping; and regressed again when it has calmed down", () =>
  damped(async (db, cluster) => {
    await comesAndGoes(db, cluster, [0, 2, 4, 20]);
    assert.deepEqual(await Promise.all([0, 2, 4, 20].map((hour) => state(db, cluster, at(hour)))), [
      "new",
      "regressed",
      "flapping",
      "regressed",
    ]);
  }));

test("without a word about it, four times within a day are flapping, and notified like others", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await comesAndGoes(db, cluster, [0, 8, 16, 23]);
    assert.equal(await state(db, cluster, at(23)), "flapping");
    assert.deepEqual(await decisions(db, cluster, at(23)), { "disk|KEY": "notify" });
    const [answer] = Object.values(await explained(db, cluster, at(23)));
    assert.equal(answer?.next_eligible_at, null, "nothing holds it");
  }));

test("what is damped is held until the first of its occurrences has left the window, not a moment longer", () =>
  damped(async (db, cluster) => {
    await comesAndGoes(db, cluster, [0, 2, 4]);
    assert.deepEqual(await decisions(db, cluster, at(2)), { "disk|KEY": "notify" });
    assert.deepEqual(await decisions(db, cluster, at(4)), { "disk|KEY": ["flapping"] });
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T05:59:59.999999Z"), {
      "disk|KEY": ["flapping"],
    });
    assert.deepEqual(await decisions(db, cluster, at(6)), { "disk|KEY": "notify" });
    assert.partialDeepStrictEqual((await explained(db, cluster, at(4)))["disk|KEY"], {
      next_eligible_at: at(6),
      qualifies: true,
    });
  }));

test("as many occurrences as make it flapping have to be within the window: one that has left it does not count", () =>
  damped(async (db, cluster) => {
    await comesAndGoes(db, cluster, [0, 2, 6]);
    assert.equal(await state(db, cluster, at(6)), "regressed");
    await addReport(db, cluster, at(6.5), []);
    await addReport(db, cluster, at(7), ["disk"]);
    assert.equal(await state(db, cluster, at(7)), "flapping", "2, 6 and 7");
    assert.equal(await state(db, cluster, at(8)), "regressed");
  }));

test("every further occurrence damps on", () =>
  damped(async (db, cluster) => {
    await comesAndGoes(db, cluster, [0, 2, 4, 5, 7]);
    const answers = await Promise.all([6, 9.5, 10].map((hour) => decisions(db, cluster, at(hour))));
    assert.deepEqual(
      answers.map((answer) => answer["disk|KEY"]),
      [undefined, ["flapping"], "notify"],
    );
  }));

test("occurrences count by when they became known", () =>
  damped(
    async (db, cluster) => {
      await addReports(db, [
        { cluster, at: at(0), arrived: at(10), hits: ["disk"] },
        { cluster, at: at(1), arrived: at(11), hits: [] },
        { cluster, at: at(20), hits: ["disk"] },
        { cluster, at: at(21), hits: [] },
        { cluster, at: at(22), hits: ["disk"] },
      ]);
      const flaps = await state(db, cluster, at(22));
      assert.equal(flaps, "flapping", "three times in 12 hours, although in 22 by the reports' own time");
      assert.deepEqual(await decisions(db, cluster, at(23)), { "disk|KEY": "notify" });
    },
    { flapping_window: "13 hours" },
  ));

test("damping is on top of the other reasons, and each policy damps for itself", () =>
  damped(async (db, cluster) => {
    await setScopedPolicy(db, { org: 1 }, { total_risk_threshold: 4 }, "2026-02-02");
    await setScopedPolicy(db, { org: 2 }, { flapping_action: "notify" }, "2026-02-02");
    const other = aCluster();
    for (const hour of [0, 2, 4]) {
      for (const org of [1, 2]) {
        const name = org === 1 ? cluster : other;
        await addReports(db, [{ org, cluster: name, at: at(hour), hits: ["disk"] }]);
        if (hour < 4) await addReports(db, [{ org, cluster: name, at: at(hour + 1), hits: [] }]);
      }
    }
    assert.deepEqual(await decisions(db, cluster, at(4)), { "disk|KEY": ["below_threshold", "flapping"] });
    assert.deepEqual(await decisions(db, other, at(4)), { "disk|KEY": "notify" });
    assert.equal(await state(db, other, at(4)), "flapping");
  }));

test("an issue that flaps and goes is notified as resolved when it has calmed down", () =>
  damped(
    async (db, cluster) => {
      for (const hour of [0, 2, 4]) {
        await reportAndDecide(db, cluster, at(hour), ["disk"]);
        await addReport(db, cluster, at(hour + 0.5), []);
      }
      assert.deepEqual(await decisions(db, cluster, at(5)), { "disk|KEY": ["flapping"] });
      assert.equal(await state(db, cluster, at(5)), "resolved");
      assert.deepEqual(await decisions(db, cluster, at(6)), { "disk|KEY": "notify" });
    },
    { notify_resolved: true, receiver_knows_resolved: true },
  ));

test("the sweep asks again when damping ends, once, for clusters that reported within a day", () =>
  damped(
    async (db, cluster) => {
      const silent = aCluster();
      await db.query("select sweep($1)", [at(0)]);
      for (const one of [cluster, silent]) await comesAndGoes(db, one, [0, 2, 4]);
      await addReport(db, cluster, at(20), ["disk"]);
      await decideDue(db, at(20));
      await nobodyWaits(db);
      const ended = (when: string) => value(db, "select cooldowns_ended from sweep($1)", [when]);
      assert.equal(await ended(at(29.9)), 0);
      assert.equal(await ended(at(30)), 1);
      assert.deepEqual(await waiting(db), [cluster]);
      assert.equal((await decideDue(db, at(30))).notified, 1);
      assert.equal(await ended(at(30.1)), 0);
    },
    { flapping_window: "30 hours" },
  ));

test("where nothing is damped, the sweep does not ask because of it", () =>
  damped(
    async (db, cluster) => {
      await db.query("select sweep($1)", [at(0)]);
      await comesAndGoes(db, cluster, [0, 2, 4]);
      await nobodyWaits(db);
      assert.deepEqual(await rows(db, "select cooldowns_ended from sweep($1)", [at(7)]), [
        { cooldowns_ended: 0 },
      ]);
    },
    { flapping_action: "notify" },
  ));
