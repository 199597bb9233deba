import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReports,
  decisions,
  loadContent,
  notified,
  reportAndDecide,
  rows,
  serviceLog,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import {
  addSilence,
  aLetteredCluster,
  endSilence,
  explainedAs,
  type Matchers,
  setScopedPolicy,
} from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

/**
 * Two organizations with two clusters each. The rules disk|A, disk|B and net|A; net has a tag.
 */
async function aFleet(db: PoolClient): Promise<Record<"one" | "two" | "three" | "four", string>> {
  const fleet = { one: aCluster(), two: aCluster(), three: aLetteredCluster(), four: aLetteredCluster() };
  await loadContent(db, ["disk|A", "disk|B", someContent("net|A", { tags: ["security", "osd_customer"] })]);
  const hits = ["disk|A", "disk|B", "net|A"];
  await addReports(db, [
    { org: 1, cluster: fleet.one, at, hits },
    { org: 2, cluster: fleet.two, at, hits },
    { org: 1, cluster: fleet.three, at, hits },
    { org: 2, cluster: fleet.four, at, hits },
  ]);
  return fleet;
}

/** What is silenced, as `cluster org rule|KEY` with the cluster's name in the fleet. */
async function silenced(db: PoolClient, fleet: Record<string, string>, when = at): Promise<string[]> {
  const held = await rows(
    db,
    `select cluster, org_id || ' ' || rule_name(component) || '|' || error_key as issue, reasons, silence_id
     from decide(1, $1) where decision = 'hold'`,
    [when],
  );
  return held
    .map(({ cluster, issue, reasons, silence_id }) => {
      assert.deepEqual(reasons, ["silenced"]);
      assert.ok(silence_id, "the silence is named");
      return `${Object.keys(fleet).find((name) => fleet[name] === cluster)} ${issue}`;
    })
    .sort();
}

const issues = (clusters: string[], hits: string[]) =>
  clusters.flatMap((cluster) => hits.map((hit) => `${cluster} ${hit}`)).sort();
const everywhere = ["one 1", "two 2", "three 1", "four 2"];
const all = ["disk|A", "disk|B", "net|A"];

test("a silence holds what it names, and nothing else", () =>
  rolledBack(database.pool, async (db) => {
    const fleet = await aFleet(db);
    const disk = ["disk|A", "disk|B"];
    const cases: [Matchers, string[]][] = [
      [{ org_id: 1 }, issues(["one 1", "three 1"], all)],
      [{ cluster: fleet.three }, issues(["three 1"], all)],
      [{ cluster: fleet.three.toUpperCase() }, issues(["three 1"], all)],
      [{ error_key: "A" }, issues(everywhere, ["disk|A", "net|A"])],
      [{ tag: "security" }, issues(everywhere, ["net|A"])],
      [{ tag: "secur" }, []],
      [{ rule: "disk" }, issues(everywhere, disk)],
      [{ rule: "a.b.disk" }, issues(everywhere, disk)],
      [{ rule: "ccx_rules_ocp.external.rules.disk.report" }, issues(everywhere, disk)],
      [{ rule: "disk|B" }, issues(everywhere, ["disk|B"])],
      [{ rule: "a.b.disk.report|B" }, issues(everywhere, ["disk|B"])],
      [{ rule: "isk" }, []],
      [{ org_id: 2, cluster: fleet.four }, issues(["four 2"], all)],
      [{ org_id: 2, cluster: fleet.one }, []],
      [{ rule: "disk", tag: "security" }, []],
      [{ rule: "net", tag: "security", org_id: 1 }, issues(["one 1", "three 1"], ["net|A"])],
      [{ rule: "disk", error_key: "B", org_id: 2 }, issues(["two 2", "four 2"], ["disk|B"])],
      [{ cluster: fleet.two, tag: "osd_customer", error_key: "A" }, issues(["two 2"], ["net|A"])],
      [
        { org_id: 1, cluster: fleet.three, rule: "net", error_key: "A", tag: "security" },
        issues(["three 1"], ["net|A"]),
      ],
      [{ org_id: 1, cluster: fleet.three, rule: "net", error_key: "B", tag: "security" }, []],
    ];
    for (const [matchers, expected] of cases) {
      await db.query("savepoint before");
      await addSilence(db, matchers);
      assert.deepEqual(await silenced(db, fleet), expected, JSON.stringify(matchers));
      await db.query("rollback to savepoint before");
    }
    await addSilence(db, { everything: true });
    assert.deepEqual(await silenced(db, fleet), issues(everywhere, all));
  }));

test("what has no content is held by a silence too, unless the silence is of a tag", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReports(db, [{ cluster, at, hits: ["unknown"] }]);
    await addSilence(db, { tag: "security" });
    assert.deepEqual(await decisions(db, cluster, at), { "unknown|KEY": ["no_content"] });
    await addSilence(db, { rule: "unknown" });
    assert.deepEqual(await decisions(db, cluster, at), { "unknown|KEY": ["no_content", "silenced"] });
  }));

test("the tags of the time of the decision count", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { tags: ["old"] })]);
    await loadContent(db, [someContent("disk", { tags: ["new"] })], "2026-03-02");
    await addReports(db, [{ cluster, at, hits: ["disk"] }]);
    await addSilence(db, { tag: "new" });
    assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": "notify" });
    assert.deepEqual(await decisions(db, cluster, "2026-03-02"), { "disk|KEY": ["silenced"] });
  }));

test("a silence holds from its beginning until exactly its end", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReports(db, [{ cluster, at, hits: ["disk"] }]);
    const period = { starts_at: "2026-03-03T00:00:00Z", ends_at: "2026-03-05T00:00:00Z" };
    await addSilence(db, { cluster, ...period });
    for (const [when, answer] of Object.entries({
      "2026-03-02T23:59:59.999999Z": "notify",
      "2026-03-03T00:00:00Z": ["silenced"],
      "2026-03-04T23:59:59.999999Z": ["silenced"],
      "2026-03-05T00:00:00Z": "notify",
    })) {
      assert.deepEqual(await decisions(db, cluster, when), { "disk|KEY": answer }, when);
    }
  }));

test("a silence does not hold before it was asked for, though its period began earlier", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReports(db, [{ cluster, at, hits: ["disk"] }]);
    const asked = "2026-03-03T12:00:00Z";
    await addSilence(db, { cluster, starts_at: "2026-03-02T00:00:00Z" }, asked);
    for (const [when, answer] of Object.entries({
      "2026-03-02T12:00:00Z": "notify",
      "2026-03-03T11:59:59.999999Z": "notify",
      "2026-03-03T12:00:00Z": ["silenced"],
    })) {
      assert.deepEqual(await decisions(db, cluster, when), { "disk|KEY": answer }, when);
    }
  }));

test("a silence that was ended early holds until then, and the past keeps its answer", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReports(db, [{ cluster, at, hits: ["disk"] }]);
    const { id } = await addSilence(db, { cluster });
    await endSilence(db, id, "2026-03-04T00:00:00Z");
    for (const [when, answer] of Object.entries({
      "2026-03-03T23:59:59.999999Z": ["silenced"],
      "2026-03-04T00:00:00Z": "notify",
      "2026-03-05T00:00:00Z": "notify",
    })) {
      assert.deepEqual(await decisions(db, cluster, when), { "disk|KEY": answer }, when);
    }
  }));

test("a silence that was ended before it began never holds", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReports(db, [{ cluster, at, hits: ["disk"] }]);
    const { id } = await addSilence(db, { cluster, starts_at: "2026-03-03" });
    await endSilence(db, id, "2026-03-02");
    assert.deepEqual(await decisions(db, cluster, "2026-03-04"), { "disk|KEY": "notify" });
  }));

test("explain names the oldest of the silences that hold an issue", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReports(db, [{ cluster, at, hits: ["disk"] }]);
    const first = await addSilence(db, { rule: "disk", ends_at: "2026-03-02" });
    const second = await addSilence(db, { cluster });
    assert.deepEqual(await explainedAs(db, "silence_id", cluster, at), { "disk|KEY": first.id });
    assert.deepEqual(await explainedAs(db, "silence_id", cluster, "2026-03-02"), { "disk|KEY": second.id });
    assert.deepEqual(await explainedAs(db, "silence_id", cluster, "2026-03-09"), { "disk|KEY": null });
  }));

test("a silence holds for all targets, and what it holds still qualifies", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { tags: ["osd_customer"] })]);
    await setScopedPolicy(db, { target: serviceLog }, { enabled: true }, "2026-02-01");
    await addSilence(db, { cluster }, "2026-03-01");
    await reportAndDecide(db, cluster, at, ["disk"]);
    assert.deepEqual(await decisions(db, cluster, at, serviceLog), { "disk|KEY": ["silenced"] });
    assert.deepEqual(await rows(db, "select event_type_id, state from reported order by 1"), [
      { event_type_id: 1, state: 2 },
      { event_type_id: 2, state: 2 },
    ]);
  }));

test("what was silenced was not notified: it is notified after the silence, and its cooldown begins then", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", someContent("low", { impact: 1, likelihood: 1 })]);
    await addSilence(db, { cluster });
    await reportAndDecide(db, cluster, "2026-03-02", ["disk", "low"]);
    assert.deepEqual(await notified(db, cluster), []);
    assert.deepEqual(await explainedAs(db, "last_notified_at", cluster, "2026-03-08"), {
      "disk|KEY": null,
      "low|KEY": null,
    });
    await reportAndDecide(db, cluster, "2026-03-08", ["disk", "low"]);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"]]);
    assert.deepEqual(
      (await explainedAs(db, "next_eligible_at", cluster, "2026-03-09"))["disk|KEY"],
      "2026-03-15T00:00:00Z",
    );
  }));

test("a silence on top of a cooldown is one more reason", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await addSilence(db, { cluster });
    assert.deepEqual(await decisions(db, cluster, "2026-03-02"), { "disk|KEY": ["silenced", "cooldown"] });
  }));

test("an issue finds its silence among thousands that name its rule, cluster or organization", () =>
  rolledBack(database.pool, async (db) => {
    await db.query(
      `insert into silence (org_id, cluster, rule_name, tag, period, reason, created_at)
       select case n % 3 when 0 then n end, case n % 3 when 1 then 'c' || n end, 'disk', 't' || n,
         '[2026-01-01,2027-01-01)', 'for the test', '2026-01-01' from generate_series(1, 3000) n`,
    );
    const ask = "matching_silence(1, 'c', 'disk', 'KEY', '{t2999,x}', '2026-03-01')";
    const [row] = (await db.query(`explain (analyze, buffers, format json) select ${ask}`)).rows;
    const [{ Plan: plan, Planning: planning }] = row["QUERY PLAN"];
    assert.ok(
      plan["Shared Hit Blocks"] - (planning?.["Shared Hit Blocks"] ?? 0) < 1000,
      JSON.stringify(plan),
    );
    const [found] = (await db.query(`select tag from silence where id = ${ask}`)).rows;
    assert.deepEqual(found, { tag: "t2999" });
  }));

test("nor does it walk along all silences where the cluster comes out of a table", () =>
  rolledBack(database.pool, async (db) => {
    await db.query(
      `insert into silence (rule_name, error_key, tag, period, reason, created_at)
       select case other when 'rule' then 'r' || n else 'disk' end, case other when 'key' then 'k' || n end,
         case other when 'tag' then 't' || n end, '[2026-01-01,2027-01-01)', 'for the test', '2026-01-01'
       from generate_series(1, 1000) n, unnest('{rule,key,tag}'::text[]) other`,
    );
    await db.query("analyze silence");
    const read =
      "select idx_tup_fetch + seq_tup_read from pg_stat_xact_user_tables where relname = 'silence'";
    const before = Number(await value(db, read));
    await addReports(db, [{ cluster: "c", at, hits: ["disk"] }]);
    await db.query(
      `select matching_silence(1, i.cluster, r.rule_name, r.error_key, '{a,b,c,d}', '2026-03-01')
       from issue i join rule r on r.id = i.rule_id`,
    );
    assert.ok(Number(await value(db, read)) - before < 100, "rows that it read");
  }));
