import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReports,
  decisions,
  loadContent,
  type Row,
  reportAndDecide,
  rows,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { aLetteredCluster, disableRule, explainedAs, toggleRule } from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const afterAt = "2026-03-01T12:00:00.000001Z";
const hits = ["disk|A", "disk|B", "net|A"];
const spellings: [rule: string, key: string, held: string[]][] = [
  ["disk", "A", ["disk|A"]],
  ["ccx_rules_ocp.external.rules.disk", "B", ["disk|B"]],
  ["ccx_rules_ocp.external.rules.disk.report", "A", ["disk|A"]],
  ["disk|B", "B", ["disk|B"]],
  ["disk|B", "", ["disk|B"]],
  ["a.b.disk.report|A", "", ["disk|A"]],
  ["disk.report", "", ["disk|A", "disk|B"]],
  ["disk", "C", []],
  ["disks", "", []],
];

/** Clusters of two organizations; the first has another one, with letters in its name. */
async function aFleet(db: PoolClient): Promise<{ mine: string; theirs: string; lettered: string }> {
  const fleet = { mine: aCluster(), theirs: aCluster(), lettered: aLetteredCluster() };
  await loadContent(db, hits);
  await addReports(db, [
    { org: 1, cluster: fleet.mine, at, hits },
    { org: 2, cluster: fleet.theirs, at, hits },
    { org: 1, cluster: fleet.lettered, at, hits },
  ]);
  return fleet;
}

/** What is held for this reason alone, as `org cluster rule|KEY`. */
async function heldFor(db: PoolClient, reason: string, when = at): Promise<string[]> {
  const held = await rows(
    db,
    `select org_id || ' ' || cluster || ' ' || rule_name(component) || '|' || error_key as issue, reasons,
       acknowledgement_id as id, qualifies
     from decide(1, $1) where decision = 'hold' order by 1`,
    [when],
  );
  for (const { issue, reasons, id, qualifies } of held) {
    assert.deepEqual(reasons, [reason], String(issue));
    assert.ok(id, "the acknowledgement is named");
    assert.ok(qualifies, "the policy lets it through");
  }
  return held.map(({ issue }) => String(issue));
}

const issues = (places: string[], names: string[]) =>
  places.flatMap((place) => names.map((name) => `${place} ${name}`)).sort();

test("a rule that an organization disabled is held for all its clusters and for nobody else, in any spelling", () =>
  rolledBack(database.pool, async (db) => {
    const { mine, lettered } = await aFleet(db);
    for (const [rule, key, held] of spellings) {
      await db.query("savepoint before");
      await disableRule(db, 1, rule, key);
      assert.deepEqual(
        await heldFor(db, "acked"),
        issues([`1 ${mine}`, `1 ${lettered}`], held),
        `${rule} ${key}`,
      );
      await db.query("rollback to savepoint before");
    }
  }));

test("a rule that is switched off for a cluster is held for it alone, in any spelling", () =>
  rolledBack(database.pool, async (db) => {
    const { lettered } = await aFleet(db);
    for (const [rule, key, held] of spellings) {
      await db.query("savepoint before");
      await toggleRule(db, lettered.toUpperCase(), rule, key);
      const everybody = issues([`1 ${lettered}`], held);
      assert.deepEqual(await heldFor(db, "disabled"), everybody, `${rule} ${key}`);
      await db.query("rollback to savepoint before");
      await toggleRule(db, lettered, rule, key, { org_id: "2" });
      assert.deepEqual(await heldFor(db, "disabled"), [], `${rule} ${key}`);
      await db.query("rollback to savepoint before");
      await toggleRule(db, lettered, rule, key, { org_id: "1" });
      assert.deepEqual(await heldFor(db, "disabled"), issues([`1 ${lettered}`], held), `${rule} ${key}`);
      await db.query("rollback to savepoint before");
    }
  }));

test("what is both disabled and switched off is held for both reasons", () =>
  rolledBack(database.pool, async (db) => {
    const { mine } = await aFleet(db);
    await toggleRule(db, mine, "disk", "A");
    await disableRule(db, 1, "disk", "");
    const both: Row = { "disk|A": ["acked", "disabled"], "disk|B": ["acked"], "net|A": "notify" };
    assert.deepEqual(await decisions(db, mine, at), both);
    const byOrganization = await rows(db, "select id from acknowledgement where cluster is null");
    assert.equal((await explainedAs(db, "acknowledgement_id", mine, at))["disk|A"], byOrganization[0]?.id);
  }));

test("an acknowledgement on top of a cooldown is one more reason", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await disableRule(db, 1, "disk", "");
    assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": ["acked"] }, "what the decision saw");
    assert.deepEqual(await decisions(db, cluster, afterAt), { "disk|KEY": ["acked", "cooldown"] });
  }));

test("an acknowledgement holds from when it was made, and a report that it holds is recorded as same", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net"]);
    await disableRule(db, 1, "disk", "", "2026-03-01T12:00:00Z");
    await toggleRule(db, cluster, "net", "", { disabled_at: "2026-03-01T13:00:00Z" });
    await addReports(db, [{ cluster, at: "2026-03-01T10:00:00Z", hits: ["disk", "net"] }]);
    for (const [when, disk, net] of [
      ["2026-03-01T11:59:59.999999Z", "notify", "notify"],
      ["2026-03-01T12:00:00Z", ["acked"], "notify"],
      ["2026-03-01T12:59:59.999999Z", ["acked"], "notify"],
      ["2026-03-01T13:00:00Z", ["acked"], ["disabled"]],
    ] as const) {
      assert.deepEqual(await decisions(db, cluster, when), { "disk|KEY": disk, "net|KEY": net }, when);
    }
    await reportAndDecide(db, cluster, "2026-03-01T14:00:00Z", ["disk", "net"]);
    assert.deepEqual(await rows(db, "select state from reported"), [{ state: 2 }]);
  }));

test("a row of the aggregator that is not off holds nothing", () =>
  rolledBack(database.pool, async (db) => {
    const { mine } = await aFleet(db);
    await toggleRule(db, mine, "disk", "", { disabled: 0, enabled_at: at });
    assert.deepEqual(await heldFor(db, "disabled"), []);
    assert.deepEqual(await rows(db, "select * from acknowledgement"), []);
  }));

test("an issue finds its acknowledgement among thousands that name its rule", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await db.query(
      `insert into cluster_rule_toggle (cluster_id, rule_id, error_key, disabled, disabled_at)
       select 'c' || n, 'disk', 'KEY', 1, '2026-01-01' from generate_series(1, 2000) n;
       insert into rule_disable (org_id, rule_id, error_key, created_at)
       select n, 'disk', 'KEY', '2026-01-01' from generate_series(1, 2000) n`,
    );
    // as many as a plan for each call is made for, and more
    const clusters = Array.from({ length: 20 }, (_, n) => ({
      org: n + 1,
      cluster: `c${n + 1}`,
      at,
      hits: ["disk"],
    }));
    await addReports(db, clusters);
    const read =
      "select idx_tup_fetch + seq_tup_read from pg_stat_xact_user_tables where relname = 'acknowledgement'";
    const before = Number(await value(db, read));
    const found = await rows(
      db,
      `select first_acknowledgement(i.org_id, i.cluster, r.rule_name, r.error_key, $1) is not null as of_cluster,
         first_acknowledgement(i.org_id, null, r.rule_name, r.error_key, $1) is not null as of_org
       from issue i join rule r on r.id = i.rule_id`,
      [at],
    );
    assert.deepEqual(found, Array(20).fill({ of_cluster: true, of_org: true }));
    assert.ok(Number(await value(db, read)) - before < 200, "rows that it read");
  }));
