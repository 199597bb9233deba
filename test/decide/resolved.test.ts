import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReports,
  decideDue,
  decisions,
  loadContent,
  reportAndDecide,
  rows,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { addSilence, endSilence, explained, messagesAbout, setScopedPolicy } from "../support/policies.ts";

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

test("an issue that was notified and went is notified as resolved, once, in a message of its own", () =>
  withResolved(async (db) => {
    await report(db, 1, "disk", "net", "low");
    assert.deepEqual(await report(db, 2, "net", "cpu"), {
      clusters: 1,
      notifications: 2,
      notified: 2,
      held: 3,
    });
    await report(db, 3);
    await report(db, 4);
    assert.deepEqual(await messages(db), ["there: disk net", "there: cpu", "gone: disk", "gone: cpu net"]);
    const stored = await rows(
      db,
      `select resolved, array(select issue_id from notified_issue where notification_id = id) as issues
       from notification order by id`,
    );
    assert.deepEqual(
      stored.map(({ resolved, issues }) => [resolved, (issues as unknown[]).length]),
      [
        [false, 2],
        [false, 1],
        [true, 1],
        [true, 2],
      ],
    );
  }));

test("explain says of what is to be notified as resolved that it is gone", () =>
  withResolved(async (db) => {
    await report(db, 1, "disk");
    await addReports(db, [{ cluster, at: at(2), arrived: at(3), hits: [] }]);
    assert.equal((await explained(db, cluster, at(2)))["disk|KEY"]?.issue_state, "new", "not yet known");
    const gone = (await explained(db, cluster, at(3)))["disk|KEY"];
    assert.partialDeepStrictEqual(gone, {
      decision: "notify",
      issue_state: "resolved",
      occurrence: 1,
      last_notified_at: at(1),
      next_eligible_at: null, // no cooldown holds it
    });
    await decideDue(db, at(3));
    assert.deepEqual(await explained(db, cluster, at(4)), {}, "that is the end of it");
    assert.deepEqual(await decisions(db, cluster, at(3)), { "disk|KEY": "notify" }, "as the decision saw it");
  }));

test("what was not notified is not notified as resolved", () =>
  withResolved(async (db) => {
    await addSilence(db, { rule: "disk" }, at(0));
    await report(db, 1, "disk", "low", "unknown");
    await report(db, 2);
    assert.deepEqual(await messages(db), []);
    assert.deepEqual(await decisions(db, cluster, at(3)), {});
  }));

test("without notify_resolved nothing is notified, and what went until it was set is not notified later", () =>
  withResolved(
    async (db) => {
      await report(db, 1, "disk", "net", "cpu");
      await report(db, 2, "net", "cpu");
      const open = Object.keys(await decisions(db, cluster, at(2)));
      assert.deepEqual(open.sort(), ["cpu|KEY", "net|KEY"]);
      await report(db, 3, "cpu");
      await setScopedPolicy(db, {}, { notify_resolved: true, receiver_knows_resolved: true }, at(3)); // net is known to be gone since this very moment
      await report(db, 4);
      assert.deepEqual(await messages(db), ["there: cpu disk net", "gone: cpu"]);
    },
    { notify_resolved: false },
  ));

test("a change of another setting does not begin anew; switching off and on does", () =>
  withResolved(async (db) => {
    await report(db, 1, "disk", "net");
    const silence = await addSilence(db, { everything: true }, at(1));
    await report(db, 2, "net");
    const changed = await setScopedPolicy(db, {}, { max_events: 9 }, at(3));
    const own = await setScopedPolicy(db, { org: 1 }, { spacing: "0" }, at(4));
    assert.deepEqual(
      [changed, own].map((row) => row.notify_resolved_since),
      Array(2).fill("2026-02-01T00:00:00Z"),
    );
    await endSilence(db, silence.id, at(5));
    for (let n = 0; n < 3; n++) await decideDue(db, at(5));
    assert.deepEqual(await messages(db), ["there: disk net", "gone: disk"]);
    await report(db, 6);
    assert.deepEqual(await messages(db), ["there: disk net", "gone: disk", "gone: net"]);
    await setScopedPolicy(db, { org: 1 }, { notify_resolved: false }, at(7));
    const again = await setScopedPolicy(
      db,
      { org: 1 },
      { notify_resolved: true, receiver_knows_resolved: true },
      at(8),
    );
    assert.equal(again.notify_resolved_since, at(8));
  }));

test("back inside the cooldown and gone again is not notified twice; notified again, it is notified as gone again", () =>
  withResolved(
    async (db) => {
      await report(db, 1, "disk");
      await report(db, 2);
      await report(db, 3, "disk");
      await report(db, 4);
      assert.deepEqual(await messages(db), ["there: disk", "gone: disk"]);
      await report(db, 6, "disk");
      await report(db, 7);
      assert.deepEqual(await messages(db), ["there: disk", "gone: disk", "there: disk", "gone: disk"]);
      const notified = await rows(db, "select occurrence, resolved from notified_issue order by notified_at");
      assert.deepEqual(
        notified.map(({ occurrence }) => occurrence),
        [1, 1, 3, 3],
      );
    },
    { cooldown: "5 hours" },
  ));

test("an issue that is back before anybody was notified that it had gone is not notified as gone", () =>
  withResolved(async (db) => {
    await report(db, 1, "disk");
    await addReports(db, [{ cluster, at: at(2), hits: [] }]);
    await report(db, 3, "disk");
    assert.deepEqual(await messages(db), ["there: disk"]);
    await report(db, 4);
    assert.deepEqual(
      await messages(db),
      ["there: disk", "gone: disk"],
      "the first time was not notified as gone",
    );
  }));
