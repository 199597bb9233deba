import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { refreshContent } from "../../src/content/source/refresh.ts";
import type { Logger } from "../../src/log.ts";
import {
  aCluster,
  addReport,
  addReports,
  decideDue,
  jobs,
  loadContent,
  type Row,
  rows,
  someContent,
  value,
} from "../support/builders.ts";
import { answerInJson } from "../support/content_answer.ts";
import { startContentService } from "../support/content_service.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { nobodyWaits, takeRequests, waiting } from "../support/policies.ts";
import { refused, twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const [t1, t2, t3] = ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"];
const nothing = { added: 0, changed: 0, removed: 0, unchanged: 0 };

const versions = (db: PoolClient) =>
  rows(
    db,
    `select rule_name || '|' || error_key as rule, total_risk as risk, lower(validity) as begins, upper(validity) as ends
     from rule_content order by 1, 3`,
  );

test("content is added whole, every column of it", () =>
  rolledBack(database.pool, async (db) => {
    const texts = Object.fromEntries(
      ["description", "generic", "summary", "reason", "resolution", "more_info"].map((name) => [
        name,
        `the ${name}`,
      ]),
    );
    const given = {
      ...someContent("disk|FULL"),
      ...texts,
      impact: 4,
      likelihood: 1,
      status: "inactive",
      publish_date: "2020-05-06T07:08:09Z",
      tags: ["a", "b"],
      ...{ impact_name: "Outage", resolution_risk: 3, plugin_name: "The disk", node_id: "42" },
      ...{ product_code: "OCP4", rule_texts: { generic: null, reason: "of the rule" } },
    };
    assert.deepEqual(await loadContent(db, [given], t1), { ...nothing, added: 1 });
    const [stored = {}] = await rows(db, "select * from rule_content");
    const { id: _, validity: __, total_risk, ...rest } = stored;
    assert.deepEqual(rest, given);
    assert.equal(total_risk, 2);
  }));

test("the same content again changes nothing", () =>
  rolledBack(database.pool, async (db) => {
    const content = [
      "disk|A",
      "disk|B",
      someContent("net", { publish_date: "2020-05-06T07:08:09Z", tags: ["a"] }),
    ];
    await loadContent(db, content, t1);
    const before = await rows(db, "select *, xmin::text, ctid::text from rule_content order by id");
    await db.query("savepoint another");
    assert.deepEqual(await loadContent(db, content, t2), { ...nothing, unchanged: 3 });
    assert.deepEqual(
      await rows(db, "select *, xmin::text, ctid::text from rule_content order by id"),
      before,
    );
  }));

test("what changed gets a new version, what is gone ends, what is new begins, the rest stays", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["changed", "gone", "same"], t1);
    const next = [someContent("changed", { impact: 4, likelihood: 4 }), "new", "same"];
    assert.deepEqual(await loadContent(db, next, t2), { added: 1, changed: 1, removed: 1, unchanged: 1 });
    assert.deepEqual(await versions(db), [
      { rule: "changed|KEY", risk: 3, begins: t1, ends: t2 },
      { rule: "changed|KEY", risk: 4, begins: t2, ends: null },
      { rule: "gone|KEY", risk: 3, begins: t1, ends: t2 },
      { rule: "new|KEY", risk: 3, begins: t2, ends: null },
      { rule: "same|KEY", risk: 3, begins: t1, ends: null },
    ]);
  }));

test("a change of any column is a change", () =>
  rolledBack(database.pool, async (db) => {
    const changes: Row[] = [
      { python_module: "elsewhere.disk" },
      { description: "other" },
      { generic: "other" },
      { summary: "other" },
      { reason: "other" },
      { resolution: "other" },
      { more_info: "other" },
      { impact: 1 },
      { likelihood: 1 },
      { status: "inactive" },
      { publish_date: "2020-05-06T07:08:09Z" },
      { tags: ["x"] },
    ];
    await loadContent(db, ["disk"], t1);
    for (const change of changes) {
      await db.query("savepoint before");
      const loaded = await loadContent(db, [someContent("disk", change)], t2);
      assert.deepEqual(loaded, { ...nothing, changed: 1 }, JSON.stringify(change));
      await db.query("rollback to savepoint before");
    }
  }));

test("error keys of a rule have content of their own", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk|A", "disk|B"], t1);
    assert.deepEqual(await loadContent(db, ["disk|A", "disk|C"], t2), {
      added: 1,
      changed: 0,
      removed: 1,
      unchanged: 1,
    });
    assert.deepEqual(
      (await versions(db)).filter(({ ends }) => ends === null).map(({ rule }) => rule),
      ["disk|A", "disk|C"],
    );
  }));

test("content that was gone and is back begins anew, and the time between stays without", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"], t1);
    await loadContent(db, [], t2);
    assert.deepEqual(await loadContent(db, ["disk"], t3), { ...nothing, added: 1 });
    assert.deepEqual(await versions(db), [
      { rule: "disk|KEY", risk: 3, begins: t1, ends: t2 },
      { rule: "disk|KEY", risk: 3, begins: t3, ends: null },
    ]);
  }));

test("clusters with an issue of a rule that changed, open or gone of late, are asked again, if they reported within a day", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["changed|A", "gone", "same"], "2026-02-01");
    const asked = {
      changed: aCluster(),
      otherKey: aCluster(),
      gone: aCluster(),
      added: aCluster(),
      healing: aCluster(), // it may have to be notified that the issue is gone
    };
    const [same, silent, healed] = [aCluster(), aCluster(), aCluster()];
    await addReports(db, [
      { cluster: asked.changed, at: "2026-02-28T12:00:01Z", hits: ["changed|A"] },
      { cluster: asked.otherKey, at: t1, hits: ["changed|B"] }, // a rule is asked as a whole
      { cluster: asked.gone, at: t1, hits: ["gone", "same"] },
      { cluster: asked.added, at: t1, hits: ["added"] },
      { cluster: same, at: t1, hits: ["same"] },
      { cluster: silent, at: "2026-02-28T12:00:00Z", hits: ["changed|A"] },
      { cluster: healed, at: "2026-02-27T00:00:00Z", hits: ["changed|A"] },
      { cluster: healed, at: "2026-02-28T01:00:00Z", hits: [] },
      { cluster: healed, at: "2026-03-01T01:00:00Z", hits: [] },
      { cluster: asked.healing, at: "2026-02-27T00:00:00Z", hits: ["changed|A"] },
      { cluster: asked.healing, at: "2026-02-28T01:00:01Z", hits: [] },
      { cluster: asked.healing, at: "2026-03-01T01:00:00Z", hits: [] },
    ]);
    await decideDue(db, "2026-03-01T02:00:00Z");
    await nobodyWaits(db);
    const next = [someContent("changed|A", { description: "other" }), "added", "same"];
    await loadContent(db, next, "2026-03-01T12:00:00Z");
    assert.deepEqual(await rows(db, "select * from decision_due"), [], "whoever decides next looks them up");
    await takeRequests(db, "2026-03-01T12:00:00Z");
    const due = await rows(db, "select cluster, by_report from decision_due order by cluster");
    assert.deepEqual(
      due,
      Object.values(asked).map((cluster) => ({ cluster, by_report: false })),
    );
    assert.deepEqual(Object.keys(await jobs(db)), ["decide"]);
  }));

test("content that stays the same asks nobody", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"], t1);
    await addReport(db, aCluster(), t1, ["disk"]);
    await nobodyWaits(db);
    await loadContent(db, ["disk"], "2026-03-01T01:00:00Z");
    assert.deepEqual(await waiting(db), []);
    assert.deepEqual(await jobs(db), {});
  }));

test("content with one part that cannot be stored is refused whole", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"], t1);
    const before = await rows(db, "select * from rule_content");
    const load = (...more: (Row | string)[]) => loadContent(db, ["new", ...more], t2);
    await refused(db, ["23514", /impact_check/], () => load(someContent("bad", { impact: 5 })));
    await refused(db, ["23514", /likelihood_check/], () => load(someContent("bad", { likelihood: 0 })));
    await refused(db, ["23514", /status_check/], () => load(someContent("bad", { status: "retired" })));
    await refused(db, ["23502", /"description"/], () => load(someContent("bad", { description: null })));
    await refused(db, "23P01", () => load("twice", "twice"));
    assert.deepEqual(await rows(db, "select * from rule_content"), before);
  }));

const refusals = (db: PoolClient) =>
  rows(db, "select rule_name, error_key, problems, since, source, kept from refused_content order by 1, 2");

test("what does not conform keeps its version, and is listed for as long as it is left out", () =>
  rolledBack(database.pool, async (db) => {
    const load = (content: string[], refused: Row[], at: string, source = "here") =>
      rows(db, "select * from load_content($1, $2, $3, $4)", [
        JSON.stringify(content.map((name) => someContent(name))),
        at,
        JSON.stringify(refused),
        source,
      ]);
    await load(["disk|A", "disk|B", "net", "old"], [], t1);
    const left = (rule_name: string, error_key: string | null, ...problems: string[]) => {
      return { rule_name, error_key, problems };
    };
    const bad = [left("disk", "B", "one", "two"), left("disk", "NEW", "x"), left("net", null, "y")];
    const [loaded] = await load(["disk|A"], bad, t2);
    assert.deepEqual(loaded, {
      ...{ added: 0, changed: 0, removed: 1, unchanged: 1, refused_count: 3 },
      ...{ vanished: ["ccx_rules_ocp.external.rules.old"], appeared: [] },
    });
    const kept = (await versions(db)).filter(({ ends }) => ends === null).map(({ rule }) => rule);
    assert.deepEqual(kept, ["disk|A", "disk|B", "net|KEY"]);
    assert.deepEqual(await refusals(db), [
      { ...bad[0], since: t2, source: "here", kept: ["B"] },
      { ...bad[1], since: t2, source: "here", kept: [] },
      { ...bad[2], since: t2, source: "here", kept: ["KEY"] },
    ]);

    await load(["disk|A", "disk|B", "net"], [left("disk", "NEW", "z")], t3, "there");
    assert.deepEqual(await refusals(db), [
      { ...left("disk", "NEW", "z"), since: t2, source: "there", kept: [] },
    ]);
    await load(["disk|A", "disk|B", "net"], [], "2026-03-04T00:00:00Z");
    assert.deepEqual(await refusals(db), []);
  }));

const rulesOf = (...names: string[]) => names.map((name) => someContent(name));
const many = Array.from({ length: 10 }, (_, nth) => `many${nth}`);
/** What a load is that nobody agreed to. */
const unaccepted = (db: PoolClient, content: Row[], at: string, refusals: Row[] = []) =>
  rows(db, "select added, changed, removed from load_content($1, $2, $3)", [
    JSON.stringify(content),
    at,
    JSON.stringify(refusals),
  ]);

test("content that ends or changes more than a fifth of the rules at once is refused, and the old one stays", () =>
  rolledBack(database.pool, async (db) => {
    const all = rulesOf(...many);
    assert.deepEqual(await unaccepted(db, all, t1), [{ added: 10, changed: 0, removed: 0 }], "the first");
    const before = await versions(db);
    const reworded = (...changed: number[]) =>
      all.map((one, nth) => (changed.includes(nth) ? { ...one, summary: "other" } : one));
    for (const [content, message] of [
      [rulesOf("many0"), /would end 9 and change 0 of 10 rules and error keys in force, more than 20 %/],
      [[], /would end 10 and change 0 of 10/],
      [all.slice(3), /would end 3 and change 0 of 10/],
      [reworded(1, 2, 3), /would end 0 and change 3 of 10/],
      [reworded(1, 2).slice(1), /would end 1 and change 2 of 10/],
      [rulesOf(...many.map((name) => `${name}moved`)), /would end 10 and change 0 of 10/],
    ] as [Row[], RegExp][])
      await refused(db, ["NTC01", message], () => unaccepted(db, content, t2));
    assert.deepEqual(await versions(db), before);

    await unaccepted(db, reworded(1, 2), t2);
    await unaccepted(db, [...reworded(1, 2), ...rulesOf("new1", "new2", "new3", "new4")], t3);
  }));

test("what does not conform is not gone, so it does not count as ended", () =>
  rolledBack(database.pool, async (db) => {
    await unaccepted(db, rulesOf(...many), t1);
    const bad = many.slice(1).map((rule_name) => ({ rule_name, error_key: null, problems: ["x"] }));
    assert.deepEqual(await unaccepted(db, rulesOf("many0"), t2, bad), [{ added: 0, changed: 0, removed: 0 }]);
  }));

test("a person agrees to one load, by a word with it or beforehand for an hour", () =>
  rolledBack(database.pool, async (db) => {
    await unaccepted(db, rulesOf(...many), t1);
    await db.query("select accept_content('1 hour', $1)", ["2026-03-01T22:59:59Z"]);
    await refused(db, "NTC01", () => unaccepted(db, [], t2));
    await db.query("select accept_content('1 hour', $1)", ["2026-03-01T23:30:00Z"]);
    await unaccepted(db, [...rulesOf(...many), someContent("new")], "2026-03-01T23:45:00Z");
    assert.deepEqual(await unaccepted(db, rulesOf(...many.slice(4)), t2), [
      { added: 0, changed: 0, removed: 5 },
    ]);
    await refused(db, "NTC01", () => unaccepted(db, [], t3));
    await db.query("select load_content('[]', $1, accepted => true)", [t3]);
    await refused(db, "NTC03", () => db.query("select accept_content('1 year')"));
  }));

test("content that holds or releases more than a fifth of the open issues is refused", () =>
  rolledBack(database.pool, async (db) => {
    const at = "2026-03-01T12:00:00Z";
    const all = rulesOf("common", "rare", ...many);
    await unaccepted(db, all, t1);
    for (let nth = 0; nth < 10; nth++) await addReport(db, aCluster(), t1, ["common", "unknown"]);
    await addReport(db, aCluster(), t1, ["rare"]);
    const changed = (name: string, changes: Row) =>
      all.map((one) => (one.rule_name === name ? { ...one, ...changes } : one));
    for (const [content, message] of [
      [all.slice(1), /would hold 10 and release 0 of 21 open issues, more than 20 %/],
      [changed("common", { impact: 1, likelihood: 1 }), /would hold 10 and release 0 of 21/],
      [changed("common", { status: "inactive" }), /would hold 10 and release 0 of 21/],
      [[...all, someContent("unknown")], /would hold 0 and release 10 of 21/],
    ] as [Row[], RegExp][])
      await refused(db, ["NTC02", message], () => unaccepted(db, content, at));
    await unaccepted(db, changed("common", { reason: "in other words" }), at);
    await unaccepted(db, changed("rare", { status: "inactive" }), "2026-03-01T12:30:00Z");

    await db.query("select accept_content('1 hour', $1)", [at]);
    const silent = changed("rare", { status: "inactive" }).filter(({ rule_name }) => rule_name !== "common");
    await unaccepted(db, silent, "2026-03-01T12:45:00Z");
  }));

test("two loads at once take turns, and the later one is what is in force", () =>
  twoSessions(database.pool, async (first, second) => {
    await loadContent(first, ["disk", "net"], t1);
    const loaded = loadContent(second, ["disk", "cpu"], t2);
    await waitsForLock(database.pool, second, loaded);
    await first.query("commit");
    assert.deepEqual(await loaded, { added: 1, changed: 0, removed: 1, unchanged: 1 });
    assert.equal(
      await value(second, "select count(*)::integer from rule_content where upper_inf(validity)"),
      2,
    );
  }));

test("a service that lost most of its rules changes nothing: one warning says what it would have done", async () => {
  await using service = await startContentService();
  const source = { url: service.url, timeoutMs: 5_000 };
  const { disk_full } = answerInJson.Rules;
  const rules = Object.fromEntries(
    many.map((name) => [name, { ...disk_full, plugin: { name, python_module: `pkg.${name}` } }]),
  );
  const lost = Object.fromEntries(Object.entries(rules).slice(0, 1));
  const lines: unknown[][] = [];
  const note = (...args: unknown[]) => void lines.push(args);
  const log = { info: note, debug: note, warn: note } as unknown as Logger;
  const refresh = async (Rules: object) => {
    service.serve({ ...answerInJson, Rules });
    lines.length = 0;
    await refreshContent(database.pool, source, log);
    return lines.map((line) => JSON.stringify(line));
  };
  const inForce = () =>
    value(database.pool, "select count(*)::integer from rule_content where upper_inf(validity)");

  const [first, moved, ...none] = await refresh(rules);
  assert.match(first ?? "", /"added":10.*"content fetched"/);
  assert.match(moved ?? "", /"vanished":\[.*"appeared":\["pkg.many0".*content rename OLD NEW/);
  assert.deepEqual(none, []);
  assert.match(
    (await refresh(lost)).join(),
    /^[^\]]*would end 9 and change 0 of 10 .*what was there stays"\]$/,
  );
  assert.equal(await inForce(), 10);
  const heldLoad =
    "select held_load_seconds is not null as held, refused_rules::integer as refused from metrics_content";
  assert.deepEqual(await rows(database.pool, heldLoad), [{ held: true, refused: 0 }]);
  await database.pool.query("select accept_content()");
  assert.match((await refresh(lost)).join(), /^[^\]]*"removed":9.*"content fetched"\]$/);
  assert.equal(await inForce(), 1);
  assert.deepEqual(await rows(database.pool, heldLoad), [{ held: false, refused: 0 }]);
});
