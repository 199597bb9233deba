import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReports,
  decideDue,
  decisions,
  loadContent,
  notified,
  reportAndDecide,
  rows,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { endPolicy, explainedAs, setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const critical = { impact: 4, likelihood: 4 };

test("where the issues of a cluster follow several policies, no message is larger than the smallest allows, none is dropped", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const hits = ["a", "b", "c", "d", "e"];
    await loadContent(
      db,
      hits.map((hit) => (hit === "e" ? someContent(hit, critical) : hit)),
    );
    await setScopedPolicy(db, {}, { max_events: 3 }, "2026-02-01");
    await setScopedPolicy(db, { rule: "c" }, { max_events: 2 }, "2026-02-02");
    await setScopedPolicy(db, { rule: "d" }, { max_events: 100 }, "2026-02-02");
    assert.deepEqual(await reportAndDecide(db, cluster, at, hits), {
      clusters: 1,
      notifications: 3,
      notified: 5,
      held: 5,
    });
    const messages = await notified(db, cluster);
    assert.deepEqual(
      messages.map((issues) => issues.length),
      [2, 2, 1],
    );
    assert.ok(messages[0]?.includes("e|KEY"), "the gravest is in the first");
    assert.deepEqual(
      messages.flat().sort(),
      hits.map((hit) => `${hit}|KEY`),
    );
  }));

test("a policy of an issue that is held, or of another cluster, does not make messages smaller", () =>
  rolledBack(database.pool, async (db) => {
    const [mine, theirs] = [aCluster(), aCluster()];
    await loadContent(db, ["a", "b", someContent("low", { impact: 1, likelihood: 1 })]);
    await setScopedPolicy(db, { rule: "low" }, { max_events: 1 }, "2026-02-01");
    await setScopedPolicy(db, { org: 2 }, { max_events: 1 }, "2026-02-01");
    await addReports(db, [
      { org: 1, cluster: mine, at, hits: ["a", "b", "low"] },
      { org: 2, cluster: theirs, at, hits: ["a", "b"] },
    ]);
    assert.deepEqual(await decideDue(db, at), { clusters: 2, notifications: 3, notified: 4, held: 6 });
    assert.deepEqual(
      (await notified(db, mine)).map((issues) => issues.sort()),
      [["a|KEY", "b|KEY"]],
    );
    assert.equal((await notified(db, theirs)).length, 2);
  }));

test("issues notified in one message have each the cooldown of its own policy", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["daily", "monthly", "weekly", "always"]);
    await setScopedPolicy(db, { rule: "daily" }, { cooldown: "1 day" }, "2026-02-01");
    await setScopedPolicy(db, { rule: "monthly" }, { cooldown: "1 month" }, "2026-02-01");
    await setScopedPolicy(db, { rule: "always" }, { cooldown: "0" }, "2026-02-01");
    const hits = ["daily", "monthly", "weekly", "always"];
    await reportAndDecide(db, cluster, at, hits);
    assert.deepEqual(
      (await notified(db, cluster)).map((issues) => issues.length),
      [4],
    );
    const ledger = await rows(
      db,
      `select r.rule_name as rule, upper(n.cooldown_period) as ends, n.policy_id
       from notified_issue n join issue i on i.id = n.issue_id join rule r on r.id = i.rule_id order by 1`,
    );
    const policies = await explainedAs(db, "policy_id", cluster, at);
    assert.deepEqual(ledger, [
      { rule: "always", ends: at, policy_id: policies["always|KEY"] },
      { rule: "daily", ends: "2026-03-02T12:00:00Z", policy_id: policies["daily|KEY"] },
      { rule: "monthly", ends: "2026-04-01T12:00:00Z", policy_id: policies["monthly|KEY"] },
      { rule: "weekly", ends: "2026-03-08T12:00:00Z", policy_id: policies["weekly|KEY"] },
    ]);
    assert.equal(new Set(Object.values(policies)).size, 4);
    for (const [when, expected] of Object.entries({
      "2026-03-02T11:59:59Z": ["always"],
      "2026-03-02T12:00:00Z": ["always", "daily"],
      "2026-03-08T12:00:00Z": ["always", "daily", "weekly"],
      "2026-04-01T12:00:00Z": ["always", "daily", "monthly", "weekly"],
    })) {
      const answers = Object.entries(await decisions(db, cluster, when));
      const free = answers.filter(([, answer]) => answer === "notify").map(([issue]) => issue.split("|")[0]);
      assert.deepEqual(free.sort(), expected, when);
    }
  }));

test("the ledger keeps the policy that was in force for each issue when it was notified", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    const first = await setScopedPolicy(db, { org: 1 }, { cooldown: "1 day" }, "2026-02-01");
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    const second = await setScopedPolicy(db, { org: 1, rule: "disk" }, {}, "2026-03-02");
    await reportAndDecide(db, cluster, "2026-03-03", ["disk"]);
    await endPolicy(db, { org: 1, rule: "disk" }, "2026-03-04");
    await reportAndDecide(db, cluster, "2026-03-05", ["disk"]);
    assert.deepEqual(
      (await rows(db, "select policy_id from notified_issue order by notified_at")).map(
        ({ policy_id }) => policy_id,
      ),
      [first.id, second.id, first.id],
    );
  }));

test("a shorter cooldown of a narrower policy lets its issues be notified again, and only them", () =>
  rolledBack(database.pool, async (db) => {
    const [mine, theirs] = [aCluster(), aCluster()];
    await loadContent(db, ["disk", "net"]);
    const reports = (when: string) =>
      addReports(db, [
        { org: 1, cluster: mine, at: when, hits: ["disk", "net"] },
        { org: 2, cluster: theirs, at: when, hits: ["disk", "net"] },
      ]);
    await reports("2026-03-01");
    await decideDue(db, "2026-03-01");
    await setScopedPolicy(db, { org: 1, rule: "disk" }, { cooldown: "1 day" }, "2026-03-02");
    await reports("2026-03-03");
    assert.equal((await decideDue(db, "2026-03-03")).notified, 1);
    assert.deepEqual((await notified(db, mine)).slice(1), [["disk|KEY"]]);
    assert.equal((await notified(db, theirs)).length, 1);
  }));
