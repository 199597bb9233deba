import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  claim,
  type Db,
  decideDue,
  decisions,
  loadContent,
  notified,
  openIssues,
  type Row,
  reportAndDecide,
  rows,
  setPolicy,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { addSilence, disableRule, setScopedPolicy, toggleRule } from "../support/policies.ts";

const database = testDatabase();

const rename = async (db: Db, from: string, to: string): Promise<Row> =>
  (await rows(db, "select * from rename_rule($1, $2)", [from, to]))[0] as Row;
const drift = (db: Db) => rows(db, "select * from drift");
const occurrences = (db: Db, cluster: string) =>
  rows(
    db,
    `select r.rule_name as rule, o.occurrence as nth, o.opened_at as opened, o.closed_at as closed
     from occurrence o join issue i on i.id = o.issue_id join rule r on r.id = i.rule_id
     where i.cluster = $1 order by 1, 2`,
    [cluster],
  );
const report = (module: string, key = "KEY") =>
  JSON.stringify({ reports: [{ component: `${module}.report`, key, details: { node: "n1" } }] });

test("an issue goes on under the new name: it stays open, counts as notified, and is found in the past", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net"]);
    await reportAndDecide(db, cluster, "2026-03-01T12:00:00Z", ["disk"]);
    const [{ id }] = (await rows(db, "select id from issue where cluster = $1", [cluster])) as [Row];

    const done = await rename(db, "disk", "full_disk");
    assert.deepEqual(done, {
      old_component: "ccx_rules_ocp.external.rules.disk.report",
      new_component: "ccx_rules_ocp.external.rules.full_disk.report",
      ...{ issues: 1, merged: 0, silences: 0, acknowledgements: 0, policies: 0 },
    });
    assert.equal(await value(db, "select id from issue where cluster = $1", [cluster]), id);
    assert.deepEqual(await drift(db), [], "the stored report has the old name");
    assert.deepEqual(await decisions(db, cluster, "2026-03-02"), { "full_disk|KEY": ["cooldown"] });
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T12:00:00Z"), { "full_disk|KEY": "notify" });

    await reportAndDecide(db, cluster, "2026-03-02T12:00:00Z", ["full_disk"]);
    assert.deepEqual(await occurrences(db, cluster), [
      { rule: "full_disk", nth: 1, opened: "2026-03-01T12:00:00Z", closed: null },
    ]);
    assert.deepEqual(await notified(db, cluster), [["full_disk|KEY"]], "nobody is notified of it again");
    assert.deepEqual(await drift(db), []);
    assert.deepEqual(await decisions(db, cluster, "2026-03-08T12:00:00Z"), { "full_disk|KEY": "notify" });
  }));

test("a report that still has the old name, or both, says the same", () =>
  rolledBack(database.pool, async (db) => {
    const [late, both] = [aCluster(), aCluster()];
    await loadContent(db, ["disk"]);
    for (const cluster of [late, both]) await addReport(db, cluster, "2026-03-01", ["disk"]);
    await rename(db, "disk", "full_disk");
    await addReport(db, late, "2026-03-02", ["disk"]);
    await addReport(db, both, "2026-03-02", ["disk", "full_disk"]);
    await addReport(db, both, "2026-03-03", ["disk", "full_disk"]);
    for (const cluster of [late, both]) {
      assert.deepEqual(await occurrences(db, cluster), [
        { rule: "full_disk", nth: 1, opened: "2026-03-01T00:00:00Z", closed: null },
      ]);
    }
    assert.deepEqual(await drift(db), []);
    const [hit] = await rows(
      db,
      "select component, decision from explain_report(1, $1, '2026-03-02') where target = 'notifications backend'",
      [late],
    );
    assert.deepEqual(hit, { component: "ccx_rules_ocp.external.rules.disk.report", decision: "notify" });
  }));

test("a message that waits has the details of the report, whatever name that has", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, "2026-03-01", report("ccx_rules_ocp.external.rules.disk"));
    await decideDue(db, "2026-03-01");
    await rename(db, "disk", "full_disk");
    const [message] = await claim(db, "2026-03-01T00:01:00Z");
    const [issue] = (message?.issues ?? []) as Row[];
    assert.equal(issue?.component, "ccx_rules_ocp.external.rules.full_disk.report");
    assert.deepEqual(issue?.details, { node: "n1" });
  }));

test("what reports opened under the new name becomes one with what was: no gap, notified once", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "full_disk"]);
    await reportAndDecide(db, cluster, "2026-03-01T12:00:00Z", ["disk"]);
    // the producer had the new name first: closed, opened, and notified once more
    await reportAndDecide(db, cluster, "2026-03-02T12:00:00Z", ["full_disk"]);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"], ["full_disk|KEY"]]);

    const done = await rename(db, "disk", "full_disk");
    assert.deepEqual([done.issues, done.merged], [1, 1]);
    assert.deepEqual(await occurrences(db, cluster), [
      { rule: "full_disk", nth: 1, opened: "2026-03-01T12:00:00Z", closed: null },
    ]);
    assert.deepEqual(await drift(db), []);
    const lastNotified = async (at: string) =>
      value(db, "select last_notified_at from decide(1, $1, array[$2])", [at, cluster]);
    assert.equal(await lastNotified("2026-03-02T00:00:00Z"), "2026-03-01T12:00:00Z");
    assert.equal(await lastNotified("2026-03-03T00:00:00Z"), "2026-03-02T12:00:00Z");
    assert.deepEqual(await decisions(db, cluster, "2026-03-08T12:00:00Z"), { "full_disk|KEY": ["cooldown"] });
    assert.deepEqual(await decisions(db, cluster, "2026-03-09T12:00:00Z"), { "full_disk|KEY": "notify" });
  }));

test("histories of both names are put together in the order in which they were", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["a", "b"]);
    const days: [string, string[]][] = [
      ["2026-03-01", ["a"]],
      ["2026-03-02", []],
      ["2026-03-03", ["b"]],
      ["2026-03-04", ["a", "b"]],
      ["2026-03-05", ["a"]],
      ["2026-03-06", []],
      ["2026-03-07", ["b"]],
      ["2026-03-08", []],
    ];
    for (const [day, hits] of days) await reportAndDecide(db, cluster, day, hits);
    await rename(db, "a", "b");
    const at = (day: number) => `2026-03-0${day}T00:00:00Z`;
    assert.deepEqual(await occurrences(db, cluster), [
      { rule: "b", nth: 1, opened: at(1), closed: at(2) },
      { rule: "b", nth: 2, opened: at(3), closed: at(6) },
      { rule: "b", nth: 3, opened: at(7), closed: at(8) },
    ]);
    const [issue] = await rows(db, "select occurrence, first_seen, opened_at, closed_at from issue");
    assert.deepEqual(issue, { occurrence: 3, first_seen: at(1), opened_at: at(7), closed_at: at(8) });
    assert.deepEqual(await drift(db), []);
    assert.deepEqual(
      await rows(db, "select occurrence, notified_at from notified_issue where live order by notified_at"),
      [{ occurrence: 2, notified_at: at(3) }],
      "of two within a cooldown the later one counts",
    );
    await reportAndDecide(db, cluster, "2026-03-09", ["b"]);
    assert.equal(await value(db, "select occurrence from issue"), 4);
  }));

test("an existing rule without issues of its own takes them over", () =>
  rolledBack(database.pool, async (db) => {
    const [one, other] = [aCluster(), aCluster()];
    await loadContent(db, ["disk", "full_disk"]);
    await addReport(db, one, "2026-03-01", ["disk"]);
    await addReport(db, other, "2026-03-01", report("elsewhere.full_disk"));
    const done = await rename(db, "disk", "full_disk");
    assert.deepEqual(
      [done.issues, done.merged, done.new_component],
      [1, 0, "elsewhere.full_disk.report"],
      "spelled as reports spell it",
    );
    for (const cluster of [one, other]) assert.deepEqual(await openIssues(db, cluster), ["full_disk|KEY"]);
  }));

test("a rule that moves to another module of the same name keeps all that was said of the name", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, "2026-03-01", report("a.disk"));
    await decideDue(db, "2026-03-01");
    await addSilence(db, { rule: "disk" });
    const done = await rename(db, "a.disk", "b.c.disk");
    assert.deepEqual([done.new_component, done.issues, done.silences], ["b.c.disk.report", 1, 0]);
    await addReport(db, cluster, "2026-03-02", report("b.c.disk"));
    assert.deepEqual(await decisions(db, cluster, "2026-03-02"), { "disk|KEY": ["silenced", "cooldown"] });
    assert.deepEqual((await occurrences(db, cluster)).length, 1);
  }));

test("of two rules with one bare name only the named one is renamed, and what was said of the name stays", () =>
  rolledBack(database.pool, async (db) => {
    const [one, other] = [aCluster(), aCluster()];
    await loadContent(db, ["disk"]);
    await addReport(db, one, "2026-03-01", report("a.disk"));
    await addReport(db, other, "2026-03-01", report("b.disk"));
    await addSilence(db, { rule: "disk" });
    const done = await rename(db, "a.disk", "a.full_disk");
    assert.deepEqual([done.issues, done.silences], [1, 0]);
    assert.deepEqual(await openIssues(db, other), ["disk|KEY"]);
    assert.deepEqual(await decisions(db, other, "2026-03-02"), { "disk|KEY": ["silenced"] });
  }));

test("silences, acknowledgements and policies hold under the new name, now and for questions about the past", () =>
  rolledBack(database.pool, async (db) => {
    const [silenced, acked, toggled, blocked] = [aCluster(), aCluster(), aCluster(), aCluster()];
    const all: [string, string, string[]][] = [
      [silenced, "quiet", ["silenced"]],
      [acked, "known", ["acked"]],
      [toggled, "off", ["disabled"]],
      [blocked, "low", ["below_threshold"]],
    ];
    await loadContent(
      db,
      all.map(([, rule]) => rule),
    );
    await setScopedPolicy(db, { rule: "low" }, { total_risk_threshold: 4 }, "2026-02-01");
    await addSilence(db, { rule: "quiet" });
    await disableRule(db, 1, "ccx_rules_ocp.external.rules.known.report", "");
    await toggleRule(db, toggled, "off|KEY", "");
    for (const [cluster, rule] of all) await addReport(db, cluster, "2026-03-02", [rule]);
    for (const [cluster, rule, reasons] of all) {
      const done = await rename(db, rule, `new_${rule}`);
      assert.equal(Number(done.silences) + Number(done.acknowledgements) + Number(done.policies), 1, rule);
      for (const at of ["2026-03-02", "2026-03-03"])
        assert.deepEqual(await decisions(db, cluster, at), { [`new_${rule}|KEY`]: reasons }, `${rule} ${at}`);
    }
    assert.deepEqual(
      await rows(db, "select rule_id, justification from rule_disable"),
      [{ rule_id: "ccx_rules_ocp.external.rules.new_known.report", justification: "known" }],
      "in the aggregator's own table, too",
    );
    assert.deepEqual(await rows(db, "select rule_id from cluster_rule_toggle"), [{ rule_id: "new_off|KEY" }]);
    assert.equal(await value(db, "select unacknowledge(1, 'known')"), true, "by the old name, too");
    assert.deepEqual(await decisions(db, acked, String(await value(db, "select now()"))), {
      "new_known|KEY": "notify",
    });
    // an aggregator that does not know the new name
    await disableRule(db, 1, "quiet", "KEY");
    assert.deepEqual(await decisions(db, silenced, "2026-03-03"), { "new_quiet|KEY": ["silenced", "acked"] });
    const names =
      "select rule_name from silences where state <> 'expired' union select rule_name from policies";
    assert.deepEqual(
      (await rows(db, names))
        .map(({ rule_name }) => rule_name)
        .filter((name) => !String(name).startsWith("new_")),
      [null],
    );
  }));

test("what the new name has of its own is not overwritten", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("a"), someContent("b", { description: "its own" })]);
    await setScopedPolicy(db, { rule: "a" }, { cooldown: "1 day" }, "2026-02-01");
    await setScopedPolicy(db, { rule: "b" }, { cooldown: "2 days" }, "2026-03-01");
    await addReport(db, cluster, "2026-03-02", ["a"]);
    await rename(db, "a", "b");
    assert.deepEqual(
      await rows(
        db,
        `select cooldown, lower(validity) as since, upper(validity) as until from policy
         where rule_name = 'b' order by lower(validity)`,
      ),
      [
        { cooldown: "1 day", since: "2026-02-01T00:00:00Z", until: "2026-03-01T00:00:00Z" },
        { cooldown: "2 days", since: "2026-03-01T00:00:00Z", until: null },
      ],
    );
    assert.deepEqual(await rows(db, "select description from rule_content where rule_name = 'b'"), [
      { description: "its own" },
    ]);
  }));

test("until a load brings the new name, content of the old one is meant for it", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, "2026-03-01", ["disk"]);
    await rename(db, "disk", "full_disk");
    assert.deepEqual(await decisions(db, cluster, "2026-03-02"), { "full_disk|KEY": "notify" });
    const now = String(await value(db, "select now()"));
    const later = (hours: number) => new Date(Date.parse(now) + hours * 3_600_000).toISOString();
    await loadContent(db, [someContent("disk", { reason: "in other words" })], later(1));
    assert.equal(
      await value(
        db,
        "select reason from rule_content where rule_name = 'full_disk' and upper_inf(validity)",
      ),
      "in other words",
    );
    await loadContent(db, ["full_disk"], later(2));
    assert.deepEqual(await decisions(db, cluster, later(3)), { "full_disk|KEY": "notify" });
    await addReport(db, cluster, "2026-03-02", ["disk"]);
    assert.deepEqual(await openIssues(db, cluster), ["full_disk|KEY"]);

    await loadContent(db, ["full_disk", "disk"], later(4));
    await addReport(db, cluster, "2026-03-03", ["disk"]);
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"], "the name is that of another rule now");
  }));

test("renamed twice, and back again", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["a"]);
    await reportAndDecide(db, cluster, "2026-03-01", ["a"]);
    await rename(db, "a", "b");
    await rename(db, "b", "c");
    for (const [day, name] of ["a", "b", "c"].entries()) {
      await addReport(db, cluster, `2026-03-0${day + 2}`, [name]);
      assert.deepEqual(await openIssues(db, cluster), ["c|KEY"]);
    }
    await rename(db, "c", "a");
    for (const [day, name] of ["a", "b", "c"].entries()) {
      await addReport(db, cluster, `2026-03-0${day + 5}`, [name]);
      assert.deepEqual(await openIssues(db, cluster), ["a|KEY"]);
    }
    assert.equal((await occurrences(db, cluster)).length, 1);
    assert.deepEqual(await decisions(db, cluster, "2026-03-07"), { "a|KEY": ["cooldown"] });
    assert.deepEqual(await drift(db), []);
  }));

test("that an issue was gone does not count when by its other name it was not", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["a", "b"]);
    await setPolicy(
      db,
      "notifications backend",
      { notify_resolved: true, receiver_knows_resolved: true },
      "2026-02-01",
    );
    await reportAndDecide(db, cluster, "2026-03-01", ["a"]);
    await reportAndDecide(db, cluster, "2026-03-02", ["b"]);
    assert.deepEqual(await notified(db, cluster), [["a|KEY"], ["b|KEY"], ["a|KEY"]]);
    await rename(db, "a", "b");
    const now = String(await value(db, "select now()"));
    const later = (minutes: number) => new Date(Date.parse(now) + minutes * 60_000).toISOString();
    await reportAndDecide(db, cluster, later(1), ["b"]);
    await reportAndDecide(db, cluster, later(2), []);
    assert.equal(await value(db, "select count(*)::integer from notified_issue where resolved and live"), 1);
    assert.deepEqual(await drift(db), []);
  }));

const refusals: [string, string, string, string][] = [
  ["nothing", "", "b", "NTN01"],
  ["to nothing", "disk", " ", "NTN01"],
  ["one error key", "disk|KEY", "b", "NTN02"],
  ["to one error key", "disk", "b|KEY", "NTN02"],
  ["to what is no name", "disk", "a b", "NTN03"],
  ["to a path without an end", "disk", "a..b", "NTN03"],
  ["to a name too long", "disk", "x".repeat(201), "NTN03"],
  ["to the same", "disk", "disk", "NTN04"],
  ["to the same, spelled as in reports", "disk", "disk.report", "NTN04"],
  ["what nobody knows", "dsik", "b", "NTN05"],
  ["a module that nobody knows", "elsewhere.disk", "b", "NTN05"],
];
test("a rename that makes no sense is refused, and changes nothing", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await addReport(db, aCluster(), "2026-03-01", ["disk"]);
    for (const [what, from, to, code] of refusals) {
      await db.query("savepoint before");
      await assert.rejects(rename(db, from, to), { code }, what);
      await db.query("rollback to before");
    }
    for (const values of [
      [null, "b"],
      ["disk", null],
    ])
      await rolledBack(database.pool, (other) =>
        assert.rejects(other.query("select rename_rule($1, $2)", values), { code: "NTN01" }),
      );
    assert.equal(await value(db, "select count(*)::integer from renamed_rule"), 0);
  }));

test("a load of content names the rules that vanished and those that appeared with it", () =>
  rolledBack(database.pool, async (db) => {
    const load = async (content: Row[], at: string, refused: Row[] = []) =>
      (
        await rows(
          db,
          "select vanished, appeared from load_content($1::jsonb, $2, $3::jsonb, accepted => true)",
          [JSON.stringify(content), at, JSON.stringify(refused)],
        )
      )[0];
    const module = (name: string) => `ccx_rules_ocp.external.rules.${name}`;
    const first = [someContent("a|X"), someContent("a|Y"), someContent("b"), someContent("c")];
    assert.deepEqual(await load(first, "2020-01-01"), {
      vanished: [],
      appeared: [module("a"), module("b"), module("c")],
    });
    assert.deepEqual(
      await load(
        [someContent("a|X"), someContent("b", { python_module: "other.b" }), someContent("d")],
        "2020-01-02",
      ),
      { vanished: [module("b"), module("c")], appeared: [module("d"), "other.b"] },
      "a lost error key is no lost rule, another module of the same name is another rule",
    );
    assert.deepEqual(
      await load([someContent("a|X"), someContent("d")], "2020-01-03", [
        { rule_name: "b", error_key: null, problems: ["no"] },
      ]),
      { vanished: [], appeared: [] },
      "what does not conform has not vanished",
    );
  }));

test("while reports are stored a rename waits; where a transaction stays open it gives up, and nobody waits", async () => {
  await rolledBack(database.pool, async (writer) => {
    const cluster = aCluster();
    await loadContent(writer, ["disk"]);
    await addReport(writer, cluster, "2026-03-01", ["disk"]);
    await rolledBack(database.pool, async (db) => {
      await assert.rejects(rename(db, "disk", "b"), { code: "NTN06" });
    });
    await addReport(writer, aCluster(), "2026-03-01", ["net"]);
  });

  const clusters = Array.from({ length: 40 }, aCluster);
  await loadContent(database.pool, ["disk", "full_disk"]);
  const store = async (name: string, day: string) => {
    for (const cluster of clusters) await addReport(database.pool, cluster, day, [name]);
  };
  await store("disk", "2026-03-01");
  const [, done] = await Promise.all([
    store("full_disk", "2026-03-02"),
    rename(database.pool, "disk", "full_disk"),
    decideDue(database.pool, "2026-03-02"),
  ]);
  assert.equal(done.issues, clusters.length);
  assert.deepEqual(
    await rows(
      database.pool,
      `select count(*)::integer as issues, max(occurrence) as most, count(closed_at)::integer as closed from issue`,
    ),
    [{ issues: clusters.length, most: 1, closed: 0 }],
  );
  assert.deepEqual(await drift(database.pool), []);
});
