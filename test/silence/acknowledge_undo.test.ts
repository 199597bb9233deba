import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  decideDue,
  jobs,
  loadContent,
  notified,
  rows,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { disableRule, nobodyWaits, toggleRule, waiting, wholeTable } from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();

// The triggers take the time of a change from the database's clock, which stands still within a transaction:
// so these tests speak of times before and after now().

/** A cluster that has had disk and net for long, and reported an hour ago; nobody waits. */
async function aCase(db: PoolClient): Promise<{ cluster: string; hour: (hours: number) => Promise<string> }> {
  const cluster = aCluster();
  await loadContent(db, ["disk", "net"]);
  const hour = async (hours: number) =>
    String(await value(db, "select now() + make_interval(hours => $1)", [hours]));
  await addReport(db, cluster, await hour(-100), ["disk", "net"]);
  await addReport(db, cluster, await hour(-1), ["disk", "net"]);
  await nobodyWaits(db);
  return { cluster, hour };
}

/** Why disk is held at some hours from now; an empty array where nothing holds it. */
async function reasons(db: PoolClient, cluster: string, hours: number[]): Promise<unknown[]> {
  const found = await rows(
    db,
    `select d.reasons from unnest($2::integer[]) with ordinality as h (hours, nth)
     cross join lateral decide(1, now() + make_interval(hours => h.hours), array[$1]) d
     where rule_name(d.component) = 'disk' order by h.nth`,
    [cluster, hours],
  );
  return found.map((row) => row.reasons);
}

const history = (db: PoolClient) =>
  rows(
    db,
    `select source, source_key, org_id, cluster, rule_name as rule, error_key as key,
       round(extract(epoch from lower(period) - now()) / 3600)::integer as begins,
       round(extract(epoch from upper(period) - now()) / 3600)::integer as ends
     from acknowledgement order by id`,
  );

test("an acknowledgement that is taken back is history, and what it held is asked again and notified", () =>
  rolledBack(database.pool, async (db) => {
    const { cluster, hour } = await aCase(db);
    await disableRule(db, 1, "a.disk.report", "", await hour(-48));
    assert.deepEqual(await waiting(db), [], "nothing is to be notified because of it");
    await db.query("delete from rule_disable");
    assert.deepEqual(await waiting(db), [cluster]);
    assert.deepEqual(Object.keys(await jobs(db)), ["decide"]);
    assert.deepEqual(await reasons(db, cluster, [-49, -48, -1, 0]), [[], ["acked"], ["acked"], []]);
    const row = { source: "rule_disable", source_key: "1 a.disk.report ", org_id: "1", cluster: null };
    assert.deepEqual(await history(db), [{ ...row, rule: "disk", key: null, begins: -48, ends: 0 }]);
    await decideDue(db, await hour(0));
    assert.deepEqual((await notified(db, cluster)).flat().sort(), ["disk|KEY", "net|KEY"]);
  }));

test("only clusters with that rule are asked again", () =>
  rolledBack(database.pool, async (db) => {
    const { cluster } = await aCase(db);
    await disableRule(db, 1, "cpu", "");
    await toggleRule(db, cluster, "cpu", "");
    await db.query("delete from rule_disable");
    await db.query("update cluster_rule_toggle set disabled = 0, enabled_at = now()");
    assert.deepEqual(await waiting(db), []);
  }));

test("a rule that is switched off, on and off again has a history of both times", () =>
  rolledBack(database.pool, async (db) => {
    const { cluster, hour } = await aCase(db);
    await toggleRule(db, cluster, "disk", "KEY", { disabled_at: await hour(-30) });
    await db.query("update cluster_rule_toggle set disabled = 0, enabled_at = $1", [await hour(-20)]);
    assert.deepEqual(await waiting(db), [cluster]);
    await db.query("update cluster_rule_toggle set disabled = 1, disabled_at = $1", [await hour(-10)]);
    const off = ["disabled"];
    assert.deepEqual(await reasons(db, cluster, [-31, -30, -21, -20, -11, -10, 0]), [
      [],
      off,
      off,
      [],
      [],
      off,
      off,
    ]);
    await db.query("update cluster_rule_toggle set disabled = 0, enabled_at = $1", [await hour(-5)]);
    const row = { source: "cluster_rule_toggle", source_key: `${cluster} disk KEY`, org_id: null, cluster };
    assert.deepEqual(await history(db), [
      { ...row, rule: "disk", key: "KEY", begins: -30, ends: -20 },
      { ...row, rule: "disk", key: "KEY", begins: -10, ends: -5 },
    ]);
  }));

test("a row that is written again without a change of state is one acknowledgement", () =>
  rolledBack(database.pool, async (db) => {
    const { cluster, hour } = await aCase(db);
    await toggleRule(db, cluster, "disk", "", { disabled_at: await hour(-30) });
    await disableRule(db, 1, "disk", "", await hour(-30));
    const before = await history(db);
    await db.query("update cluster_rule_toggle set disabled = 1, updated_at = now(), disabled_at = now()");
    await db.query("update rule_disable set justification = 'another one', updated_at = now()");
    assert.deepEqual(await history(db), before);
    assert.deepEqual(await waiting(db), []);
  }));

test("without times of its own, a change counts from when it is made", () =>
  rolledBack(database.pool, async (db) => {
    const { cluster } = await aCase(db);
    await toggleRule(db, cluster, "disk", "", { disabled_at: null });
    assert.deepEqual(await reasons(db, cluster, [-1, 0, 1]), [[], ["disabled"], ["disabled"]]);
    await db.query("update cluster_rule_toggle set disabled = 0, enabled_at = null");
    assert.deepEqual(await reasons(db, cluster, [-1, 0, 1]), [[], [], []]);
  }));

test("a time that is still to come, of a clock that runs ahead, counts from now", () =>
  rolledBack(database.pool, async (db) => {
    const { cluster, hour } = await aCase(db);
    await toggleRule(db, cluster, "disk", "", { disabled_at: await hour(1) });
    await disableRule(db, 1, "net", "", await hour(2));
    assert.deepEqual(await reasons(db, cluster, [-1, 0, 1]), [[], ["disabled"], ["disabled"]]);
    assert.deepEqual(
      (await history(db)).map(({ rule, begins }) => [rule, begins]),
      [
        ["disk", 0],
        ["net", 0],
      ],
    );
    await db.query("update cluster_rule_toggle set disabled = 0, enabled_at = $1", [await hour(1)]);
    assert.deepEqual(await reasons(db, cluster, [0, 1]), [[], []]);
  }));

test("a deleted row of a cluster ends its acknowledgement", () =>
  rolledBack(database.pool, async (db) => {
    const { cluster, hour } = await aCase(db);
    await toggleRule(db, cluster, "disk", "", { disabled_at: await hour(-30) });
    await db.query("delete from cluster_rule_toggle");
    assert.deepEqual(await waiting(db), [cluster]);
    assert.deepEqual(await reasons(db, cluster, [-1, 0]), [["disabled"], []]);
  }));

test("a row that becomes one of another rule, organization or cluster ends one acknowledgement and begins another", () =>
  rolledBack(database.pool, async (db) => {
    const { cluster, hour } = await aCase(db);
    await disableRule(db, 1, "net", "", await hour(-30));
    await db.query("update rule_disable set rule_id = 'disk'");
    assert.deepEqual(await reasons(db, cluster, [-1, 0]), [[], ["acked"]]);
    await db.query("update rule_disable set org_id = '2'");
    assert.deepEqual(await reasons(db, cluster, [0]), [[]]);
    await toggleRule(db, cluster, "net", "", { disabled_at: await hour(-30) });
    await db.query("update cluster_rule_toggle set rule_id = 'disk'");
    assert.deepEqual(await reasons(db, cluster, [-1, 0]), [[], ["disabled"]]);
    await db.query("update cluster_rule_toggle set disabled = 0, enabled_at = now()");
    assert.deepEqual(await reasons(db, cluster, [0]), [[]]);
  }));

test("a table that is emptied and filled again with its old times, as a copy is, keeps holding", () =>
  rolledBack(database.pool, async (db) => {
    const { cluster, hour } = await aCase(db);
    const copy = async () => {
      await disableRule(db, 1, "disk", "", await hour(-30));
      await toggleRule(db, cluster, "disk", "", { disabled_at: await hour(-30) });
    };
    await copy();
    for (let n = 0; n < 2; n++) {
      await db.query("delete from rule_disable");
      await db.query("delete from cluster_rule_toggle");
      await copy();
    }
    assert.deepEqual(await reasons(db, cluster, [-31, -30, 0, 1]), [
      [],
      ["acked", "disabled"],
      ["acked", "disabled"],
      ["acked", "disabled"],
    ]);
  }));

test("an organization that is not a number is refused with a sentence, and nothing changes", () =>
  rolledBack(database.pool, async (db) => {
    const { cluster } = await aCase(db);
    const why: [string, RegExp] = ["22P02", /"abc"/];
    await refused(db, why, () => db.query("insert into rule_disable values ('abc', 'disk', '')"));
    await refused(db, why, () => toggleRule(db, cluster, "disk", "", { org_id: "abc" }));
    assert.deepEqual(await wholeTable(db, "acknowledgement"), []);
  }));
