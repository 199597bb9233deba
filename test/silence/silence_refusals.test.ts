import assert from "node:assert/strict";
import { test } from "node:test";
import type { NoticeMessage as Notice } from "pg-protocol/dist/messages.js";
import {
  aCluster,
  addReports,
  loadContent,
  reportAndDecide,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import {
  addSilence,
  endSilence,
  type GivenSilence,
  previewSilence,
  wholeTable,
} from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

test("a silence that cannot be is refused with a sentence, and nothing changes", () =>
  rolledBack(database.pool, async (db) => {
    await addSilence(db, { cluster: "c" });
    await addSilence(db, { everything: true });
    const before = await wholeTable(db, "silence");
    const refuse = ([code, sentence]: [string, RegExp], silence: GivenSilence, when = at) =>
      refused(db, [code, new RegExp(`^(${sentence.source})$`)], () => addSilence(db, silence, when));
    const org_id = 1;
    for (const ends_at of [null, "infinity"])
      await refuse(["NTS01", /a silence needs an end/], { org_id, ends_at });
    const never: [string, RegExp] = ["NTS02", /a silence that ends at .+ would never hold/];
    await refuse(never, { org_id, ends_at: at });
    await refuse(never, { org_id, ends_at: "2026-02-28" });
    await refuse(never, { org_id, ends_at: "-infinity" });
    await refuse(never, { org_id, starts_at: "2026-03-03", ends_at: "2026-03-03" });
    await refuse(never, { org_id, starts_at: "2026-03-04", ends_at: "2026-03-03" });
    await refuse(never, { org_id, starts_at: "2026-02-01", ends_at: "2026-02-03" });
    await refuse(never, { org_id, starts_at: "infinity" });
    const reason: [string, RegExp] = ["NTS03", /a silence needs a reason that a colleague understands/];
    for (const text of [null, "", "why", "why     ", "   why"])
      await refuse(reason, { org_id, reason: text });
    await refuse(["NTS04", /this silence would hold every notification; say so with everything => true/], {});
    await refuse(["NTS05", /a silence of everything cannot be narrowed at the same time/], {
      org_id,
      everything: true,
    });
    const taken: [string, RegExp] = ["NTS07", /there is a silence of the same already in that time; .+/];
    await refuse(taken, { cluster: "C" });
    await refuse(taken, { cluster: "c", starts_at: "2026-03-07T23:59:59Z", ends_at: "2026-04-01" });
    await refuse(taken, { everything: true });
    const empty: [string, RegExp] = ["NTS06", /a silence cannot be of an empty name/];
    for (const rule of ["", "a.b.", "|KEY"]) await refuse(empty, { rule });
    for (const name of ["cluster", "error_key", "tag"])
      for (const nothing of ["", "  ", "\t\n"]) await refuse(empty, { org_id, [name]: nothing });
    await refuse(["NTC04", /the rule names the error key A, beside it stands B/], {
      rule: "disk|A",
      error_key: "B",
    });
    await refuse(taken, { cluster: " C\n" });
    await refuse(["22007", /.*"soon"/], {
      org_id,
      ends_at: "soon",
    });
    assert.deepEqual(await wholeTable(db, "silence"), before);
  }));

test("the table itself refuses a silence without end, one of everything by omission and one for no reason", () =>
  rolledBack(database.pool, async (db) => {
    const insert = (constraint: [string, RegExp], columns: string, values: string) =>
      refused(db, constraint, () => db.query(`insert into silence (${columns}) values (${values})`));
    const good = "'[2026-03-01,2026-03-02)', 'for the test'";
    await insert(
      ["23514", /silence_has_an_end/],
      "org_id, period, reason",
      "1, '[2026-03-01,)', 'for the test'",
    );
    await insert(
      ["23514", /silence_has_an_end/],
      "org_id, period, reason",
      "1, '[2026-03-01,infinity)', 'for the test'",
    );
    await insert(["23514", /silence_has_an_end/], "org_id, period, reason", "1, 'empty', 'for the test'");
    await insert(
      ["23514", /silence_has_an_end/],
      "org_id, period, reason",
      "1, '(,2026-03-01)', 'for the test'",
    );
    await insert(["23514", /silence_of_everything_is_meant/], "period, reason", good);
    await insert(
      ["23514", /silence_of_everything_is_meant/],
      "org_id, everything, period, reason",
      `1, true, ${good}`,
    );
    await insert(
      ["23514", /silence_reason_check/],
      "org_id, period, reason",
      "1, '[2026-03-01,2026-03-02)', 'why  '",
    );
    await insert(
      ["23514", /silence_rule_name_check/],
      "rule_name, period, reason",
      `'a.disk.report', ${good}`,
    );
  }));

test("only a silence that is still to come or in force can be ended, once", () =>
  rolledBack(database.pool, async (db) => {
    const { id } = await addSilence(db, { cluster: "c" });
    const over = await addSilence(db, { cluster: "d", ends_at: "2026-03-02" });
    await endSilence(db, id, "2026-03-03");
    const before = await wholeTable(db, "silence");
    const none: [string, RegExp] = ["NTS08", /^there is no silence \d+ that is still to come or in force$/];
    await refused(db, none, () => endSilence(db, id, "2026-03-03"));
    await refused(db, none, () => endSilence(db, over.id, "2026-03-02"));
    await refused(db, none, () => endSilence(db, 987_654_321, "2026-03-03"));
    assert.deepEqual(await wholeTable(db, "silence"), before);
  }));

test("a name that nobody knows is remarked on, with the nearest one, and what is asked is done all the same", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "nodes_requirements_check"]);
    await reportAndDecide(db, cluster, "2026-02-28T12:00Z", ["disk"]);
    const said: string[] = [];
    const hear = ({ message, hint }: Notice) => void said.push(`${message} ${hint}`);
    db.on("notice", hear);
    const saying = async (work: () => Promise<unknown>) => {
      said.length = 0;
      await work();
      return said.join("; ");
    };
    const org = await value(db, "select org_id from latest_report limit 1");
    for (const [silence, remark] of [
      [{ cluster }, /^$/],
      [{ rule: "disk", org_id: org }, /^$/],
      [{ rule: "x.y.disk.report" }, /^$/],
      [
        { rule: "node_requirement_chek" },
        /no rule of the name .+ Did you mean nodes_requirements_check\?; .+ no open issue/,
      ],
      [{ rule: "zzz" }, /no rule of the name zzz Neither/],
      [{ rule: "disk", error_key: "NOPE" }, /rule disk has no error key NOPE It has: /],
      [{ error_key: "NOPE" }, /no rule has the error key NOPE/],
      [{ cluster: cluster.slice(0, 8) }, new RegExp(`has never reported Did you mean ${cluster}`)],
      [{ cluster: "nope" }, /cluster nope has never reported A cluster is named by its whole UUID/],
      [{ cluster, org_id: 424_242 }, /is of organization \d+, not of 424242/],
      [{ org_id: 424_242 }, /no cluster of organization 424242 has ever reported/],
      [{ tag: "typo" }, /no rule has the tag typo/],
      [{ rule: "nodes_requirements_check" }, /^this silence matches no open issue now/],
    ] as [GivenSilence, RegExp][])
      assert.match(await saying(() => addSilence(db, silence, at)), remark, JSON.stringify(silence));
    assert.match(
      await saying(() => db.query("select acknowledge(424242, 'dsk')")),
      /no rule of the name dsk .+ organization 424242/,
    );
    const policy = `select set_policy('notifications backend', '{"cooldown": "3 days"}', 'for the test', org_id => 424242)`;
    assert.match(await saying(() => db.query(policy)), /organization 424242/);
    const { id } = await addSilence(db, { tag: "typo", org_id: Number(org) }, at);
    assert.equal(await value(db, "select ccx.silence_holds($1)", [id]), 0);
    const holding = "select ccx.silence_holds(id) from silence where rule_name = 'disk' order by id limit 1";
    assert.equal(await value(db, holding), 1);
    db.off("notice", hear);
  }));

test("blanks around a name, as they come with copying, are no part of it", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk|KEY"]);
    const cluster = aCluster();
    await reportAndDecide(db, cluster, at, ["disk|KEY"]);
    for (const named of [
      { cluster: ` ${cluster.toUpperCase()}\n` },
      { rule: "\ta.b.disk.report | KEY " },
      { rule: " disk", error_key: "KEY " },
    ]) {
      assert.equal((await previewSilence(db, named, at)).length, 1, JSON.stringify(named));
      const { id } = await addSilence(db, named, at);
      assert.equal(await value(db, "select ccx.silence_holds($1, $2)", [id, at]), 1);
      await endSilence(db, id, at);
    }
    const pasted = ` ${cluster}\n`;
    assert.equal(await value(db, "select acknowledge(1, ' disk|KEY', $1)", [pasted]), true);
    assert.equal(await value(db, "select acknowledge(1, 'disk', $1, 'KEY ')", [cluster]), false);
    assert.equal(await value(db, "select unacknowledge(1, 'disk |KEY', $1)", [pasted]), true);
  }));

test("what has no answer is refused, rather than answered with nothing", () =>
  rolledBack(database.pool, async (db) => {
    const refusals: Record<string, string[]> = {
      NTK02: [
        ...["explain_at(null)", "new_issues_at(null)", "retain(null)", "preview_retention(null)"],
        ...["preview_silence(org_id => 1, at => null)", "end_silence(1, null)", "load_content('[]', null)"],
        "add_silence(now() + interval '1 day', 'for the test', org_id => 1, at => null)",
      ],
      NTC04: ["acknowledge(1, 'disk|A', error_key => 'B')", "unacknowledge(1, 'disk|A', null, 'B')"],
      NTC05: ["load_content(null)", "load_content('{}')", "load_content('[1]')", "load_content('null')"],
      NTA01: ["unacknowledge(null, null)", "unacknowledge(1, ' ')", "acknowledge(1, ' ')"],
      NTA03: ["acknowledge(1, 'disk', ' ')"],
      NTD03: ["redrive(null)"],
      NTE02: ["explain_report(null, 'c', now())", "explain_report(1, null, now())"],
      NTG01: ["close_circuit(null)", "backtest(null, '2026-01-01', '2026-01-02')"],
    };
    for (const [code, calls] of Object.entries(refusals))
      for (const call of calls) await refused(db, code, () => db.query(`select * from ${call}`));
    assert.equal(
      await value(db, "select refusal from redrive('{999999}')"),
      "there is no message of that number",
    );
  }));

test("a silence remarks on it when it holds many of the open issues, whatever narrows it", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net", someContent("tagged", { tags: ["mine"] })]);
    const hits = ["disk", "tagged"];
    await addReports(
      db,
      Array.from({ length: 10 }, () => ({ cluster: aCluster(), at: "2026-02-28", hits, org: 5 })),
    );
    await addReports(db, [{ cluster: aCluster(), at: "2026-02-28", hits: ["net"], org: 6 }]);
    const said: (string | undefined)[] = [];
    const hear = ({ message }: Notice) => void said.push(message);
    db.on("notice", hear);
    for (const silence of [
      { rule: "disk" },
      { tag: "mine" },
      { org_id: 5 },
      { org_id: 6 },
      { everything: true },
    ])
      await addSilence(db, silence, at);
    db.off("notice", hear);
    assert.deepEqual(
      said,
      [10, 10, 20, 21].map((holds) => `this silence holds ${holds} of 21 open issues`),
    );
  }));
