import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { addReport, decisions, loadContent, rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import {
  aLetteredCluster,
  disableRule,
  nobodyWaits,
  toggleRule,
  waiting,
  wholeTable,
} from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();

type Named = { cluster?: string; key?: string; org?: number | null };

async function acknowledge(db: PoolClient, rule: string | null, { cluster, key, org = 1 }: Named = {}) {
  const values = [org, rule, cluster ?? null, key ?? null, cluster === undefined ? "known" : null];
  return value(db, "select acknowledge($1, $2, $3, $4, $5)", values);
}

async function unacknowledge(db: PoolClient, rule: string, { cluster, key, org = 1 }: Named = {}) {
  return value(db, "select unacknowledge($1, $2, $3, $4)", [org, rule, cluster ?? null, key ?? null]);
}

/** What is held now in a cluster that has disk|A, disk|B and net|A. */
async function held(db: PoolClient, cluster: string): Promise<string[]> {
  const now = String(await value(db, "select now()"));
  const answers = Object.entries(await decisions(db, cluster, now));
  return answers
    .filter(([, answer]) => answer !== "notify")
    .map(([issue, answer]) => `${issue} ${answer}`)
    .sort();
}

async function aCase(db: PoolClient): Promise<string> {
  const cluster = aLetteredCluster();
  await loadContent(db, ["disk|A", "disk|B", "net|A"]);
  const lately = String(await value(db, "select now() - interval '1 hour'"));
  await addReport(db, cluster, lately, ["disk|A", "disk|B", "net|A"]);
  await nobodyWaits(db);
  return cluster;
}

test("an acknowledgement by hand holds as the aggregator's does, and its undoing asks again", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await aCase(db);
    assert.equal(await acknowledge(db, "x.disk.report"), true);
    assert.deepEqual(await held(db, cluster), ["disk|A acked", "disk|B acked"]);
    assert.deepEqual(await rows(db, "select org_id, rule_id, error_key, justification from rule_disable"), [
      { org_id: "1", rule_id: "x.disk.report", error_key: "", justification: "known" },
    ]);
    assert.equal(await unacknowledge(db, "disk"), true);
    assert.deepEqual(await held(db, cluster), []);
    assert.deepEqual(await waiting(db), [cluster]);
  }));

test("an acknowledgement by hand for one cluster leaves the others alone", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster, other] = [await aCase(db), await aCase(db)];
    assert.equal(await acknowledge(db, "disk|B", { cluster: cluster.toUpperCase() }), true);
    assert.deepEqual([await held(db, cluster), await held(db, other)], [["disk|B disabled"], []]);
    assert.equal(await unacknowledge(db, "x.disk.report|B", { cluster: cluster.toUpperCase() }), true);
    assert.deepEqual(await held(db, cluster), []);
    assert.deepEqual(await rows(db, "select cluster_id, disabled from cluster_rule_toggle"), [
      { cluster_id: cluster, disabled: 0 },
    ]);
    assert.equal(await acknowledge(db, "disk|B", { cluster }), true, "and again");
    assert.deepEqual(await held(db, cluster), ["disk|B disabled"]);
  }));

test("what is acknowledged already is not acknowledged again, in whatever spelling, and so is the undoing", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await aCase(db);
    for (const named of [{}, { cluster }, { key: "A" }, { cluster, key: "A" }]) {
      const what = JSON.stringify(named);
      await db.query("savepoint before");
      assert.equal(await unacknowledge(db, "disk", named), false, what);
      assert.equal(await acknowledge(db, "disk", named), true, what);
      const before = await wholeTable(db, "acknowledgement");
      for (const rule of ["disk", "a.disk", "a.disk.report"]) {
        assert.equal(await acknowledge(db, rule, named), false, `${what} ${rule}`);
      }
      assert.deepEqual(await wholeTable(db, "acknowledgement"), before, what);
      assert.equal(await unacknowledge(db, "disk.report", named), true, what);
      assert.deepEqual(await held(db, cluster), [], what);
      assert.equal(await unacknowledge(db, "disk", named), false, what);
      await db.query("rollback to savepoint before");
    }
  }));

test("undoing takes back what it names: that organization, cluster, rule and error key", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await aCase(db);
    await acknowledge(db, "disk");
    await acknowledge(db, "disk|A", { cluster });
    const others: [string, Named][] = [
      ["disk", { org: 2 }],
      ["disk", { key: "A" }],
      ["net", {}],
      ["disk", { cluster }],
      ["disk|B", { cluster }],
      ["disk|A", { cluster: "another" }],
      ["disk|A", { cluster, org: 2 }],
    ];
    for (const [rule, named] of others) {
      assert.equal(await unacknowledge(db, rule, named), false, `${rule} ${JSON.stringify(named)}`);
    }
    assert.deepEqual(await held(db, cluster), ["disk|A acked,disabled", "disk|B acked"]);
    await unacknowledge(db, "disk|A", { cluster });
    assert.deepEqual(await held(db, cluster), ["disk|A acked", "disk|B acked"]);
  }));

test("the row of a cluster that belonged to another organization is taken over", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await aCase(db);
    for (const changes of [{}, { disabled: 0, enabled_at: "2026-02-02T00:00:00Z" }]) {
      await db.query("savepoint before");
      await toggleRule(db, cluster, "disk", "A", { org_id: "2", ...changes });
      assert.deepEqual(await held(db, cluster), []);
      assert.equal(await acknowledge(db, "disk|A", { cluster }), true);
      assert.deepEqual(await held(db, cluster), ["disk|A disabled"]);
      assert.equal(await acknowledge(db, "disk|A", { cluster }), false);
      await db.query("rollback to savepoint before");
    }
  }));

test("what the aggregator wrote can be undone by hand, in whatever spelling it did", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await aCase(db);
    for (const [rule, key] of [
      ["x.disk.report", "A"],
      ["disk|A", "A"],
      ["x.disk.report|A", ""],
    ] as const) {
      await disableRule(db, 1, rule, key);
      await toggleRule(db, cluster, rule, key);
      assert.deepEqual(await held(db, cluster), ["disk|A acked,disabled"], `${rule} ${key}`);
      assert.equal(await unacknowledge(db, "disk|A"), true, `${rule} ${key}`);
      assert.equal(await unacknowledge(db, "disk", { cluster, key: "A" }), true, `${rule} ${key}`);
      assert.deepEqual(await held(db, cluster), [], `${rule} ${key}`);
    }
  }));

test("an acknowledgement without an organization or a rule is refused with a sentence", () =>
  rolledBack(database.pool, async (db) => {
    const why = "NTA01";
    await refused(db, why, () => acknowledge(db, "disk", { org: null }));
    for (const rule of ["", "a.", "|A", null]) await refused(db, why, () => acknowledge(db, rule));
    assert.deepEqual(await wholeTable(db, "acknowledgement"), []);
  }));

test("a justification for one cluster is refused, since its table has no place for it", () =>
  rolledBack(database.pool, (db) =>
    refused(db, "NTA02", () => db.query("select acknowledge(1, 'disk', 'c1', null, 'known')")),
  ));
