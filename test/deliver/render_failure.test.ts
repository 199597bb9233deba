import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  claim,
  decideDue,
  decisions,
  delivered,
  failed,
  loadContent,
  notified,
  type Row,
  reportAndDecide,
  rows,
  settle,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { explained, messagesAbout, nobodyWaits, setScopedPolicy, waiting } from "../support/policies.ts";

const database = testDatabase();
let cluster = "";
beforeEach(() => {
  cluster = aCluster();
});

const error = "reason: TypeError: cannot read property 'b' of undefined";

/** A day and time of March 2026. */
const at = (day: number, time = "12:00:00") => `2026-03-${String(day).padStart(2, "0")}T${time}Z`;

const inTransaction = (work: (db: PoolClient) => Promise<void>) =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net"]);
    await work(db);
  });

const report = (db: PoolClient, when: string, ...hits: string[]) => reportAndDecide(db, cluster, when, hits);

/** The issues of these rules in a claimed message, as those that could not be rendered. */
const unrendered = (message: Row, ...rules: string[]) =>
  (message.issues as Row[])
    .filter(({ component }) => rules.some((rule) => String(component).includes(`.${rule}.`)))
    .map(({ issue_id }) => ({ issue_id, error }));

const outcomeOf = (message: Row) => ({ id: message.id, attempt: message.attempt });

/** Delivers every message that is due; the issues of these rules cannot be rendered. */
async function deliver(db: PoolClient, when: string, ...broken: string[]): Promise<Row> {
  const outcomes = (await claim(db, when)).map((message) => {
    const without = unrendered(message, ...broken);
    return without.length < (message.issues as Row[]).length
      ? { ...delivered(outcomeOf(message)), unrendered: without }
      : failed(outcomeOf(message), { failure: "template", error, permanent: true, unrendered: without });
  });
  return settle(db, outcomes, when);
}

const renderFailed = async (db: PoolClient, when: string, rule = "net") => {
  const { decision, reasons, render_error, next_eligible_at } =
    (await explained(db, cluster, when))[`${rule}|KEY`] ?? {};
  return { decision, reasons, render_error, next_eligible_at };
};
const held = { decision: "hold", reasons: ["render_failed"], render_error: error, next_eligible_at: at(2) };
const notHeld = { decision: "notify", reasons: [], render_error: null, next_eligible_at: null };

/** The rules in the ledger and whether they count as notified. */
const ledger = async (db: PoolClient) =>
  (
    await rows(
      db,
      `select r.rule_name as rule, n.live from notified_issue n join issue i on i.id = n.issue_id
       join rule r on r.id = i.rule_id where i.cluster = $1 order by n.notified_at, rule`,
      [cluster],
    )
  ).map(({ rule, live }) => `${live ? "" : "not "}${rule}`);

test("an issue that cannot be rendered is left out, does not count as notified, and is held with the error", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    assert.deepEqual(await deliver(db, at(1), "net"), { sent: 1, retried: 0, dead: 0 });
    assert.deepEqual(await ledger(db), ["disk", "not net"]);
    assert.deepEqual(await rows(db, "select state, failure from notification"), [
      { state: "sent", failure: null },
    ]);
    assert.deepEqual(await renderFailed(db, at(1, "12:00:01")), held);
    const { last_notified_at } = (await explained(db, cluster, at(1, "13:00:00")))["net|KEY"] ?? {};
    assert.equal(last_notified_at, null);
    assert.deepEqual(await decisions(db, cluster, at(1, "13:00:00")), {
      "disk|KEY": ["cooldown"],
      "net|KEY": ["render_failed"],
    });
    assert.deepEqual(await rows(db, "select state, error_log from reported"), [{ state: 1, error_log: "" }]);
  }));

test("it is held from the moment it failed for 24 hours, then it is notified again", () =>
  inTransaction(async (db) => {
    await report(db, at(1, "11:00:00"), "disk", "net");
    await deliver(db, at(1), "net");
    assert.deepEqual(await renderFailed(db, at(1)), held);
    assert.deepEqual(
      (await renderFailed(db, at(1, "11:59:59"))).reasons,
      ["cooldown"],
      "as it was known then",
    );
    await report(db, at(2, "11:59:59"), "disk", "net");
    assert.deepEqual(await notified(db, cluster), [["disk|KEY", "net|KEY"]]);
    assert.deepEqual(await renderFailed(db, at(2)), notHeld);
    await report(db, at(2), "disk", "net");
    assert.deepEqual(await notified(db, cluster), [["disk|KEY", "net|KEY"], ["net|KEY"]]);
    assert.deepEqual(await deliver(db, at(2)), { sent: 1, retried: 0, dead: 0 });
    assert.deepEqual(await decisions(db, cluster, at(3)), {
      "disk|KEY": ["cooldown"],
      "net|KEY": ["cooldown"],
    });
  }));

test("when the 24 hours end, the cluster is asked again, once, without a report", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    await deliver(db, at(1), "net");
    await report(db, at(2, "11:00:00"), "disk", "net");
    const swept = async (when: string) =>
      (await rows(db, "select * from sweep($1)", [when]))[0]?.cooldowns_ended;
    await swept(at(1));
    await nobodyWaits(db);
    assert.equal(await swept(at(2, "11:59:59")), 0);
    assert.equal(await swept(at(2)), 1);
    assert.deepEqual(await waiting(db), [cluster]);
    assert.equal((await decideDue(db, at(2))).notified, 1);
    assert.equal(await swept(at(2, "12:01:00")), 0);
  }));

test("it fails again after 24 hours: held for another day, and what was decided before stays explained", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    await deliver(db, at(1), "net");
    await report(db, at(2), "disk", "net");
    assert.deepEqual(await deliver(db, at(2), "net"), { sent: 0, retried: 0, dead: 1 });
    assert.deepEqual(await renderFailed(db, at(2, "13:00:00")), { ...held, next_eligible_at: at(3) });
    assert.deepEqual(await renderFailed(db, at(1, "13:00:00")), held);
    assert.deepEqual(await renderFailed(db, at(3)), notHeld);
  }));

test("new content is notified at once; new content of another rule changes nothing", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    await deliver(db, at(1), "net");
    await loadContent(db, [someContent("disk", { reason: "mended" }), "net"], at(1, "12:01:00"));
    await decideDue(db, at(1, "12:01:00"));
    assert.deepEqual(await renderFailed(db, at(1, "12:02:00")), held);
    const mended = ["disk", someContent("net", { reason: "mended" })];
    await loadContent(db, mended, at(1, "12:03:00"));
    assert.deepEqual(await renderFailed(db, at(1, "12:03:00")), notHeld);
    assert.equal((await decideDue(db, at(1, "12:03:00"))).notified, 1, "its cluster is asked again");
    assert.deepEqual(await notified(db, cluster), [["disk|KEY", "net|KEY"], ["net|KEY"]]);
  }));

test("an issue that went and came back is notified at once", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    await deliver(db, at(1), "net");
    await report(db, at(1, "13:00:00"), "disk");
    await report(db, at(1, "14:00:00"), "disk", "net");
    assert.deepEqual(await notified(db, cluster), [["disk|KEY", "net|KEY"], ["net|KEY"]]);
  }));

test("only the target and the cluster that it failed for are held", () =>
  inTransaction(async (db) => {
    await setScopedPolicy(
      db,
      { target: "service log" },
      { enabled: true, required_tags: [] },
      at(1, "00:00:00"),
    );
    const other = aCluster();
    await addReport(db, other, at(1), ["net"]);
    await addReport(db, cluster, at(1), ["net"]);
    await decideDue(db, at(1));
    const [first] = await claim(db, at(1), 1);
    assert.ok(first);
    await settle(
      db,
      [failed(outcomeOf(first), { permanent: true, unrendered: unrendered(first, "net") })],
      at(1),
    );
    const reasons = async (of: string, target?: string) =>
      (await decisions(db, of, at(1, "12:00:01"), target))["net|KEY"];
    const [own, another] = first.cluster === cluster ? [cluster, other] : [other, cluster];
    assert.deepEqual(await reasons(own), ["render_failed"]);
    assert.deepEqual(await reasons(own, "service log"), ["cooldown"]);
    assert.deepEqual(await reasons(another), ["cooldown"]);
  }));

test("a message of which nothing can be rendered is dead, and reported as an error with the reason", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    assert.deepEqual(await deliver(db, at(1), "disk", "net"), { sent: 0, retried: 0, dead: 1 });
    assert.deepEqual(await rows(db, "select state, failure, last_error from notification"), [
      { state: "dead", failure: "template", last_error: error },
    ]);
    assert.deepEqual(await ledger(db), ["not disk", "not net"]);
    assert.deepEqual(await renderFailed(db, at(1, "12:00:01"), "disk"), held);
    assert.deepEqual(await renderFailed(db, at(1, "12:00:01"), "net"), held);
    assert.deepEqual(await rows(db, "select state, error_log from reported"), [
      { state: 4, error_log: error },
    ]);
  }));

test("a try that failed records nothing; what counts is what the last one left out", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    const [first] = await claim(db, at(1));
    assert.ok(first);
    const outcome = failed(outcomeOf(first), { unrendered: unrendered(first, "disk") });
    assert.deepEqual(await settle(db, [outcome], at(1)), { sent: 0, retried: 1, dead: 0 });
    assert.deepEqual(await rows(db, "select * from render_failure"), []);
    assert.deepEqual(await ledger(db), ["disk", "net"]);
    assert.deepEqual((await decisions(db, cluster, at(1, "12:00:01")))["disk|KEY"], ["cooldown"]);
    await deliver(db, at(1, "12:01:00"), "net");
    assert.deepEqual(await ledger(db), ["disk", "not net"]);
    assert.deepEqual((await decisions(db, cluster, at(1, "12:02:00")))["net|KEY"], ["render_failed"]);
  }));

test("a worker that lost its lease records nothing, unless its message is out", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    const [late] = await claim(db, at(1));
    const [present] = await claim(db, at(1, "12:05:00"));
    assert.ok(late && present);
    const without = { unrendered: unrendered(late, "net") };
    await settle(db, [failed(outcomeOf(late), { permanent: true, ...without })], at(1, "12:05:01"));
    assert.deepEqual(await ledger(db), ["disk", "net"]);
    await settle(db, [{ ...delivered(outcomeOf(late)), ...without }], at(1, "12:05:02"));
    assert.deepEqual(await ledger(db), ["disk", "not net"]);
    await settle(db, [delivered(outcomeOf(present))], at(1, "12:05:03"));
    assert.deepEqual(await ledger(db), ["disk", "not net"], "it is out already");
  }));

test("a message that was given up and got through after all does not tell what it left out", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    const [late] = await claim(db, at(1));
    const [present] = await claim(db, at(1, "12:05:00"));
    assert.ok(late && present);
    await settle(db, [failed(outcomeOf(present), { permanent: true })], at(1, "12:05:01"));
    assert.deepEqual(await ledger(db), ["not disk", "not net"]);
    await settle(
      db,
      [{ ...delivered(outcomeOf(late)), unrendered: unrendered(late, "net") }],
      at(1, "12:05:02"),
    );
    assert.deepEqual(await ledger(db), ["disk", "not net"]);
    assert.deepEqual(await renderFailed(db, at(1, "12:05:03")), {
      ...held,
      next_eligible_at: at(2, "12:05:02"),
    });
  }));

test("what cannot be notified as gone is tried again after 24 hours, too", () =>
  inTransaction(async (db) => {
    await setScopedPolicy(
      db,
      {},
      { notify_resolved: true, receiver_knows_resolved: true },
      at(1, "00:00:00"),
    );
    await report(db, at(1, "10:00:00"), "disk", "net");
    await deliver(db, at(1, "10:00:00"));
    await report(db, at(1, "11:00:00"));
    await deliver(db, at(1), "net");
    assert.deepEqual(await ledger(db), ["disk", "net", "disk", "not net"]);
    const { issue_state, ...why } = (await explained(db, cluster, at(1, "13:00:00")))["net|KEY"] ?? {};
    assert.equal(issue_state, "resolved");
    assert.partialDeepStrictEqual(why, held);
    await report(db, at(2, "11:59:59"));
    await nobodyWaits(db);
    await db.query("update sweep_mark set cooldowns_until = $1", [at(2, "11:59:00")]);
    await rows(db, "select * from sweep($1)", [at(2)]);
    assert.deepEqual(await waiting(db), [cluster], "asked again without a report");
    await decideDue(db, at(2));
    assert.deepEqual(await messagesAbout(db, cluster), ["there: disk net", "gone: disk net", "gone: net"]);
    await deliver(db, at(2));
    assert.deepEqual(await decisions(db, cluster, at(3)), {});
  }));

test("several messages about an issue may fail at once; without a cooldown it waits all the same", () =>
  inTransaction(async (db) => {
    await setScopedPolicy(db, {}, { cooldown: "0", decide_again_after: "1 day" }, at(1, "00:00:00"));
    await report(db, at(1, "11:00:00"), "net");
    await report(db, at(1, "11:30:00"), "net");
    for (const _ of ["the first", "the second"])
      assert.deepEqual(await deliver(db, at(1), "net"), { sent: 0, retried: 0, dead: 1 });
    assert.deepEqual(await renderFailed(db, at(1, "13:00:00")), held);
    assert.equal(await value(db, "select count(*)::integer from render_failure"), 1);
  }));

test("an error of any length is cut, one that names no issue of the message is passed over", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    const [message] = await claim(db, at(1));
    assert.ok(message);
    const [net] = unrendered(message, "net");
    const left = [
      { ...net, error: "ř".repeat(3_000) },
      { issue_id: "987654321", error },
    ];
    await settle(db, [{ ...delivered(outcomeOf(message)), unrendered: left }], at(1));
    assert.deepEqual(await rows(db, "select length(error) as length from render_failure"), [
      { length: 1_000 },
    ]);
    assert.deepEqual(await ledger(db), ["disk", "not net"]);
  }));

/**
 * Delivers until nothing is due, to a receiver that takes so many issues at once, and none of these rules;
 * returns the rules of each message that got through.
 */
async function deliverWithin(db: PoolClient, when: string, most: number, ...huge: string[]) {
  const messages: string[][] = [];
  let rounds = 0;
  for (let due = await claim(db, when); due.length > 0; due = await claim(db, when)) {
    assert.ok(++rounds < 20, "it ends");
    const outcomes = due.map((message) => {
      const rules = (message.issues as Row[]).map(
        ({ component }) => String(component).split(".").at(-2) ?? "",
      );
      const fits = rules.length <= most && !rules.some((rule) => huge.includes(rule));
      if (fits) messages.push(rules);
      return fits
        ? delivered(outcomeOf(message))
        : failed(outcomeOf(message), {
            ...{ failure: "client", error: "too large", permanent: true },
            ...{ too_large: true, not_stored: true },
          });
    });
    await settle(db, outcomes, when);
  }
  return messages;
}

test("a message that is too large is split until it fits, and every issue is notified once, the gravest first", () =>
  inTransaction(async (db) => {
    const names = Array.from({ length: 13 }, (_, nth) => `rule${nth}`);
    const grave = names.map((name, nth) => someContent(name, nth === 7 ? { impact: 4, likelihood: 4 } : {}));
    await loadContent(db, grave, "2020-06-01T00:00:00Z");
    await setScopedPolicy(db, {}, { notify_resolved: true, receiver_knows_resolved: true }, "2026-02-01");
    await report(db, at(1), ...names);
    const messages = await deliverWithin(db, at(1, "12:00:01"), 3);
    assert.deepEqual(messages.flat().sort(), [...names].sort());
    assert.ok(messages.some(([first]) => first === "rule7"));
    assert.deepEqual(await rows(db, "select distinct state, failure from notification"), [
      { state: "sent", failure: "client" },
      { state: "sent", failure: null },
    ]);
    assert.deepEqual(await ledger(db), [...names].sort());
    assert.equal(await value(db, "select count(*)::integer from reported where state = 1"), 1);
    const opened = "select count(*)::integer from circuit where failures > 0 or opened_at is not null";
    assert.equal(await value(db, opened), 0);

    await report(db, at(2));
    const gone = await deliverWithin(db, at(2, "12:00:01"), 1);
    assert.deepEqual(gone.flat().sort(), [...names].sort());
  }));

test("an issue that does not fit alone is dead and held with the error; the others of its message get through", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    assert.deepEqual(await deliverWithin(db, at(1, "12:00:00"), 9, "net"), [["disk"]]);
    assert.deepEqual(await ledger(db), ["disk", "not net"]);
    assert.equal(await value(db, "select failure from dead_letter"), "client");
    assert.deepEqual(await renderFailed(db, at(1, "13:00:00")), { ...held, render_error: "too large" });
    assert.equal((await report(db, at(1, "14:00:00"), "disk", "net")).notifications, 0);
  }));

test("a replay that is too large is split as well", () =>
  inTransaction(async (db) => {
    await report(db, at(1), "disk", "net");
    await deliverWithin(db, at(1, "12:00:01"), 9);
    await db.query("select replay($1, $2, at => $3)", [at(1, "00:00:00"), at(2, "00:00:00"), at(2)]);
    assert.deepEqual((await deliverWithin(db, at(2, "12:00:01"), 1)).flat().sort(), ["disk", "net"]);
  }));

test("texts that lack a value are listed by place, with how often and an example, while they are in force", () =>
  inTransaction(async (db) => {
    const doubtful = (message: Row) =>
      (message.issues as Row[]).map(({ issue_id }) => {
        return { issue_id, text: "description", place: "pydata.name", kind: "missing", example: "" };
      });
    const send = async (when: string, changes: Row = {}) => {
      const [message] = await claim(db, when);
      assert.ok(message);
      await settle(db, [{ ...delivered(outcomeOf(message)), doubtful: doubtful(message), ...changes }], when);
    };
    const listed = () =>
      rows(
        db,
        `select rule_name, target, text_name, place, kind, since, last_at, times::integer, example_cluster, example
         from doubtful_texts`,
      );
    await report(db, at(1), "disk");
    const [message] = await claim(db, at(1));
    assert.ok(message);
    await settle(db, [{ ...failed(outcomeOf(message)), doubtful: doubtful(message) }], at(1));
    assert.deepEqual(await listed(), [], "it has not ended");
    await send(at(1, "12:05:00"));
    const first = cluster;
    const row = {
      ...{ rule_name: "disk", target: "notifications backend", text_name: "description" },
      ...{ place: "pydata.name", kind: "missing", example: "", since: at(1, "12:05:00") },
    };
    assert.deepEqual(await listed(), [
      { ...row, last_at: at(1, "12:05:00"), times: 1, example_cluster: first },
    ]);
    cluster = aCluster();
    await report(db, at(2), "disk");
    await send(at(2));
    assert.deepEqual(await listed(), [{ ...row, last_at: at(2), times: 2, example_cluster: cluster }]);
    assert.equal(await value(db, "select doubtful_texts::integer from metrics_content"), 1);
    await loadContent(db, [someContent("disk", { description: "mended" })], at(3));
    assert.deepEqual(await listed(), []);
  }));

test("a claim says of which issues the policy lets no doubtful text out", () =>
  inTransaction(async (db) => {
    await setScopedPolicy(db, { rule: "net" }, { doubtful_texts: "hold" }, "2026-02-01");
    await report(db, at(1), "disk", "net");
    const [message] = await claim(db, at(1));
    assert.deepEqual(
      ((message?.issues ?? []) as Row[])
        .map(({ component, hold_doubtful }) => [component, hold_doubtful])
        .toSorted(),
      [
        ["ccx_rules_ocp.external.rules.disk.report", false],
        ["ccx_rules_ocp.external.rules.net.report", true],
      ],
    );
  }));

test("a message that is too large is split though nobody rewrites the ledger by hand", () =>
  inTransaction(async (db) => {
    await db.query("set local ccx.rewrite_history = off"); // as a service has it
    await report(db, at(1), "disk", "net");
    const [message] = await claim(db, at(1));
    assert.ok(message);
    await settle(
      db,
      [failed(outcomeOf(message), { failure: "client", permanent: true, too_large: true })],
      at(1),
    );
    const parts = await rows(db, "select state from notification order by id");
    assert.deepEqual(parts, [{ state: "pending" }, { state: "pending" }]);
  }));
