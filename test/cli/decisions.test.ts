import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { loadContent, type Row, rows, someContent, value } from "../support/builders.ts";
import { assertGivesUp } from "../support/command.ts";
import { testDatabase } from "../support/database.ts";
import { cells, shellOn } from "../support/shell.ts";

const database = testDatabase();
const one = "11111111-1111-4111-8111-111111111111";
const two = "22222222-2222-4222-8222-222222222222";
const three = "abcdefab-cdef-4abc-8def-abcdefabcdef";
const columns = `target, org_id, cluster, component, error_key, decision, reasons, issue_state, total_risk, last_notified_at,
  next_eligible_at, policy_id, silence_id, acknowledgement_id, render_error`;

const ccx = shellOn(database);
const { json, lines } = ccx;

describe("the decisions from the shell", () => {
  before(async () => {
    await loadContent(database.pool, [
      "disk",
      someContent("net", { tags: ["security"] }),
      someContent("low", { impact: 1, likelihood: 1 }),
    ]);
    const report = (rules: string[]) =>
      JSON.stringify({
        reports: rules.map((rule) => ({ component: `a.${rule}.report`, key: "KEY" })),
      });
    await database.pool.query(
      `insert into new_reports (org_id, cluster, updated_at, report)
     values (1, $1, now() - interval '1 hour', $3), (2, $2, now() - interval '1 hour', $4),
       (3, $5, now() - interval '1 hour', $6)`,
      [one, two, report(["disk", "net", "low"]), report(["disk"]), three, report(["disk", "low"])],
    );
  });

  describe("ccx explain", () => {
    test("prints a table for people: a line for each issue and target, with every reason", async () => {
      const [header, ...issues] = await lines(
        "explain",
        "--cluster",
        one,
        "--target",
        "notifications backend",
        "--wide",
      );
      assert.deepEqual(cells(header).slice(0, 7), [
        ...["target", "org id", "cluster", "component", "error key", "decision", "reasons"],
      ]);
      assert.deepEqual(
        issues.map((line) => cells(line).slice(0, 7)),
        [
          ["notifications backend", "1", one, "a.disk.report", "KEY", "notify", "new"],
          ["notifications backend", "1", one, "a.low.report", "KEY", "hold", "below_threshold"],
          ["notifications backend", "1", one, "a.net.report", "KEY", "notify", "new"],
        ],
      );
      assert.match(
        (await lines("explain", "--cluster", one, "--wide")).join("\n"),
        /hold +target_disabled, missing_tag/,
      );
    });

    test("fits 120 columns unless told otherwise, with rules by their bare names", async () => {
      const narrow = await lines("explain", "--all");
      assert.deepEqual(
        narrow.filter((line) => line.length > 120),
        [],
      );
      assert.match(narrow.join("\n"), / rule +.*reasons/);
      assert.ok(!narrow.join("\n").includes("a.disk.report"));
      for (const cluster of [one, three]) assert.ok(narrow.some((line) => line.includes(cluster)));
    });

    test("prints one array for programs, which says what the view says", async () => {
      const { code, printed } = await json("explain", "--cluster", one);
      assert.equal(code, 0);
      const shown = await rows(
        database.pool,
        `select ${columns} from explain_notification where cluster = $1 order by component, target`,
        [one],
      );
      assert.deepEqual(printed, shown);
      assert.equal(printed.length, 6);
    });

    test("can be narrowed to an organization, a target and a rule in any spelling", async () => {
      const found = async (...args: string[]) =>
        (await json("explain", ...args)).printed.map(({ org_id, component }) => `${org_id} ${component}`);
      const target = ["--target", "service log"];
      assert.deepEqual(await found("--org", "2", ...target), ["2 a.disk.report"]);
      assert.deepEqual(await found("--rule", "x.y.disk.report", ...target), [
        "1 a.disk.report",
        "2 a.disk.report",
        "3 a.disk.report",
      ]);
      assert.deepEqual(await found("--rule", "disk|KEY", "--org", "1", ...target), ["1 a.disk.report"]);
    });

    test("without an open issue ends with code 3", async () => {
      const nowhere = "99999999-9999-4999-8999-999999999999";
      const { code, stdout } = await ccx("explain", "--cluster", nowhere);
      assert.deepEqual([code, stdout], [3, "No open issue.\n"]);
      assert.deepEqual(await json("explain", "--cluster", nowhere), { code: 3, printed: [] });
    });

    test("finds a cluster whose id is written in capitals", async () => {
      const { printed } = await json("explain", "--cluster", three.toUpperCase());
      assert.deepEqual(new Set(printed.map(({ cluster }) => cluster)), new Set([three]));
    });

    test("of the whole fleet has to be asked for", async () => {
      for (const scope of [[], ["--target", "service log"], ["--at", "2026-03-01"]])
        assertGivesUp(
          await ccx("explain", ...scope),
          /^ccx: Give --cluster, --org or --rule; --all explains the whole fleet\.$/,
        );
      const { printed } = await json("explain", "--all");
      assert.deepEqual(
        printed,
        await rows(
          database.pool,
          `select ${columns} from explain_notification order by org_id, cluster, component, error_key, target`,
        ),
      );
    });

    test("answers for a time of the past, with what was known then", async () => {
      const at = (time: string) =>
        json("explain", "--cluster", one, "--target", "notifications backend", "--at", time);
      const early = new Date(Date.now() - 90 * 60_000).toISOString();
      assert.deepEqual(await at(early), { code: 3, printed: [] });
      const { printed } = await at(new Date().toISOString());
      assert.equal(printed.length, 3);
      assertGivesUp(
        await ccx("explain", "--cluster", one, "--at", "soon"),
        /^ccx: --at takes a time such as 2026-12-24T08:00Z, not "soon"$/,
      );
    });

    test("says of one report what became of each of its hits", async () => {
      const [{ updated_at } = {}] = await rows(
        database.pool,
        "select updated_at from new_reports where cluster = $1",
        [three],
      );
      const name = `3/${three.toUpperCase()}/${updated_at}`;
      const { code, printed } = await json("explain", "--report", name, "--target", "notifications backend");
      assert.equal(code, 0);
      assert.partialDeepStrictEqual(printed, [
        { report_state: "waiting", component: "a.disk.report", decision: "notify" },
        { report_state: "waiting", component: "a.low.report", reasons: ["below_threshold"] },
      ]);
      assert.equal(printed.length, 2);
      assert.equal((await json("explain", "--report", name)).printed.length, 4, "both targets");
      const none = await ccx("explain", "--report", `3/${three}/2026-03-01T00:00Z`);
      assert.equal(none.code, 3);
      assert.match(none.stdout, /^No such report\./);
      assertGivesUp(await ccx("explain", "--report", "3"), /^ccx: "3" is not of the form ORG\/CLUSTER\/TIME/);
      assertGivesUp(
        await ccx("explain", "--cluster", one, "--report", name),
        /^ccx: --report names one report: only --target goes with it\.$/,
      );
    });
  });

  describe("ccx new", () => {
    test("lists what would be notified, and ends with code 3 when that is nothing", async () => {
      const { code, printed } = await json("new");
      assert.equal(code, 0);
      assert.deepEqual(
        printed.map(({ target, cluster, component }) => `${target} ${cluster} ${component}`),
        [
          `notifications backend ${one} a.disk.report`,
          `notifications backend ${one} a.net.report`,
          `notifications backend ${two} a.disk.report`,
          `notifications backend ${three} a.disk.report`,
        ],
      );
      assert.equal((await lines("new", "--org", "2", "--wide")).length, 2, "a header and a line");
      const { code: none, stdout } = await ccx("new", "--target", "service log");
      assert.deepEqual([none, stdout], [3, "Nothing is new.\n"]);
    });

    test("lists what a decision at a time of the past would have notified", async () => {
      assert.equal((await ccx("new", "--at", "2026-03-01")).code, 3);
      const { printed } = await json("new", "--at", new Date().toISOString(), "--org", "1");
      assert.deepEqual(
        printed.map(({ component }) => component),
        ["a.disk.report", "a.net.report"],
      );
    });
  });

  test("a target that does not exist is refused by every command", async () => {
    for (const command of [
      ["explain", "--cluster", one, "--target", "pager"],
      ["explain", "--report", `1/${one}/2026-03-01`, "--target", "pager"],
      ["new", "--target", "pager"],
      ["policy", "list", "--target", "pager"],
      ["policy", "history", "--target", "pager"],
      ["policy", "end", "--target", "pager", "--org", "1", "--reason", "no longer needed"],
      ["policy", "simulate", "--target", "pager", "enabled=false"],
      ["policy", "simulate", "--target", "pager", "--from", "2026-03-01"],
      ["delivery", "list", "--target", "pager"],
      ["delivery", "dead", "--target", "pager"],
      ["delivery", "redrive", "--target", "pager"],
      ["circuit", "list", "--target", "pager"],
      ["circuit", "close", "--target", "pager", "--yes"],
    ])
      assertGivesUp(
        await ccx(...command),
        /^ccx: there is no target "pager"; the targets are: notifications backend, service log$/,
      );
  });

  describe("ccx silence", () => {
    test("is previewed, added, listed and ended early; what it held is to be notified again", async () => {
      const matchers = ["--rule", "x.disk.report", "--org", "1"];
      const preview = await json("silence", "preview", ...matchers);
      assert.equal(preview.code, 0);
      assert.partialDeepStrictEqual(preview.printed, [
        { org_id: "1", cluster: one, component: "a.disk.report" },
      ]);
      assert.deepEqual(await json("silence", "preview", "--tag", "absent"), { code: 3, printed: [] });
      assert.equal((await ccx("silence", "list")).code, 3);

      const added = await json("silence", "add", ...matchers, "--for", "2 days", "--reason", "planned work");
      assert.equal(added.code, 0);
      const { id, starts_at, ends_at } = added.printed[0] as Row;
      assert.equal(Date.parse(String(ends_at)) - Date.parse(String(starts_at)), 2 * 86_400_000);
      const { printed } = await json(
        "explain",
        "--cluster",
        one,
        "--rule",
        "disk",
        "--target",
        "notifications backend",
      );
      assert.partialDeepStrictEqual(printed, [{ decision: "hold", reasons: ["silenced"], silence_id: id }]);
      const listed = await json("silence", "list");
      assert.partialDeepStrictEqual(listed, {
        code: 0,
        printed: [{ id, state: "active", rule_name: "disk", org_id: "1", reason: "planned work" }],
      });
      assert.equal(cells((await lines("silence", "list"))[1])[1], "active");

      assert.deepEqual(await lines("silence", "end", String(id)), [
        `Silence ${id} has ended; what it held is asked again.`,
      ]);
      assert.equal(
        await value(database.pool, "select silence_id from decision_request where cause = 'silence ended'"),
        id,
      );
      assert.deepEqual(await json("silence", "list"), { code: 3, printed: [] });
      assert.partialDeepStrictEqual(await json("silence", "list", "--all"), {
        code: 0,
        printed: [{ id, state: "expired" }],
      });
      assertGivesUp(
        await ccx("silence", "end", String(id)),
        /^ccx: there is no silence \d+ that is still to come/,
      );
    });

    test("can begin later", async () => {
      const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
      const added = await json(
        ...["silence", "add", "--tag", "security", "--reason", "planned work"],
        ...["--from", tomorrow, "--for", "1 hour"],
      );
      assert.equal(Date.parse(String(added.printed[0]?.starts_at)), Date.parse(tomorrow));
      assert.partialDeepStrictEqual((await json("silence", "list")).printed, [
        { state: "pending", tag: "security" },
      ]);
      await database.pool.query("select end_silence($1)", [added.printed[0]?.id]);
    });

    test("of everything has to be said where nobody can be asked", async () => {
      const period = ["--for", "1 day", "--reason", "planned work"];
      assertGivesUp(
        await ccx("silence", "add", ...period),
        /^ccx: Nothing was silenced\. --everything says that all notifications are meant\.$/,
      );
      assert.equal(await value(database.pool, "select count(*)::integer from silence where everything"), 0);
      const added = await json("silence", "add", ...period, "--everything");
      assert.equal((await ccx("new")).code, 3);
      await database.pool.query("select end_silence($1)", [added.printed[0]?.id]);
      assert.equal((await ccx("new")).code, 0);
    });

    test("that cannot be is refused in one line, and nothing changes", async () => {
      const silences = () => value(database.pool, "select count(*)::integer from silence");
      const before = await silences();
      const add = (...args: string[]) => ccx("silence", "add", "--org", "7", ...args);
      const reason = ["--reason", "planned work"];
      assertGivesUp(await add(...reason), /^ccx: A silence needs an end: --until TIME or --for INTERVAL\.$/);
      assertGivesUp(
        await add(...reason, "--for", "1 day", "--until", "2100-01-01"),
        /^ccx: A silence has one end: leave --until or --for out\.$/,
      );
      assertGivesUp(
        await add(...reason, "--until", "2020-01-01"),
        /^ccx: a silence that ends at .+ would never hold$/,
      );
      assertGivesUp(await add(...reason, "--until", "infinity"), /^ccx: a silence needs an end$/);
      assertGivesUp(
        await add(...reason, "--for", "abc"),
        /^ccx: --for takes an interval such as '2 days', not "abc"$/,
      );
      assertGivesUp(await add("--reason", "why", "--for", "1 day"), /^ccx: a silence needs a reason/);
      assertGivesUp(
        await add(...reason, "--for", "1 day", "--everything"),
        /^ccx: a silence of everything cannot be narrowed/,
      );
      assertGivesUp(await ccx("silence", "end", "abc"), /^ccx: <id> takes a whole number, not "abc"$/);
      assert.equal(await silences(), before);
    });
  });

  describe("ccx ack", () => {
    test("holds a rule for an organization or a cluster until it is removed", async () => {
      const rule = async () => {
        const { printed } = await json(
          "explain",
          "--cluster",
          one,
          "--rule",
          "net",
          "--target",
          "notifications backend",
        );
        return printed[0]?.reasons;
      };
      assert.deepEqual(
        await lines("ack", "add", "--rule", "x.net.report", "--org", "1", "--reason", "known"),
        ["Acknowledged."],
      );
      assert.deepEqual(await lines("ack", "add", "--rule", "net", "--org", "1"), ["It was so already."]);
      assert.deepEqual(await rule(), ["acked"]);
      assert.deepEqual(await lines("ack", "add", "--rule", "net|KEY", "--org", "1", "--cluster", one), [
        "Acknowledged.",
      ]);
      assert.deepEqual(await rule(), ["acked", "disabled"]);
      assert.deepEqual(await lines("ack", "remove", "--rule", "net", "--org", "1"), ["Removed."]);
      assert.deepEqual(await rule(), ["disabled"]);
      const remove = ["ack", "remove", "--rule", "net", "--error-key", "KEY", "--org", "1", "--cluster", one];
      assert.deepEqual(await lines(...remove), ["Removed."]);
      const { code, stdout } = await ccx(...remove);
      assert.deepEqual([code, stdout], [3, "There was nothing to remove.\n"]);
      assert.deepEqual(await rule(), []);
    });

    test("takes a cluster written in capitals", async () => {
      const capitals = ["--rule", "low", "--org", "3", "--cluster", three.toUpperCase()];
      assert.deepEqual(await lines("ack", "add", ...capitals), ["Acknowledged."]);
      assert.deepEqual(await lines("ack", "add", ...capitals), ["It was so already."]);
      const { printed } = await json(
        "explain",
        "--cluster",
        three,
        "--rule",
        "low",
        "--target",
        "notifications backend",
      );
      assert.deepEqual(printed[0]?.reasons, ["below_threshold", "disabled"]);
      assert.deepEqual(await lines("ack", "remove", ...capitals), ["Removed."]);
    });

    test("lists what is in force, narrowed to an organization or a cluster", async () => {
      const list = async (...args: string[]) => (await json("ack", "list", ...args)).printed;
      assert.equal((await ccx("ack", "list", "--org", "5")).code, 3);
      await lines("ack", "add", "--rule", "x.net.report", "--org", "5", "--reason", "known");
      await lines("ack", "add", "--rule", "net|KEY", "--org", "6", "--cluster", two);
      const [first, ...more] = await list("--org", "5");
      assert.equal(more.length, 0);
      assert.partialDeepStrictEqual(first, {
        ...{ org_id: "5", cluster: null, rule_name: "net", error_key: null, reason: "known" },
      });
      assert.deepEqual(
        (await list("--cluster", two.toUpperCase())).map(({ org_id, cluster, error_key, reason }) => [
          ...[org_id, cluster, error_key, reason],
        ]),
        [["6", two, "KEY", null]],
      );
      assert.match(
        (await lines("ack", "list"))[0] ?? "",
        /^org id +cluster +rule name +error key +since +reason/,
      );
      await lines("ack", "remove", "--rule", "net", "--org", "5");
      await lines("ack", "remove", "--rule", "net|KEY", "--org", "6", "--cluster", two);
      const { code, stdout } = await ccx("ack", "list", "--org", "5");
      assert.deepEqual([code, stdout], [3, "No acknowledgement.\n"]);
    });

    test("with a reason that nobody would keep is refused", async () => {
      const kept = () => value(database.pool, "select count(*)::integer from cluster_rule_toggle");
      const before = await kept();
      const reason = ["--reason", "known, accepted"];
      assertGivesUp(
        await ccx("ack", "add", "--rule", "disk", "--org", "3", "--cluster", three, ...reason),
        /^ccx: A reason is not kept for one cluster .+ ccx silence add --cluster, which keeps it\.$/,
      );
      assertGivesUp(
        await ccx("ack", "remove", "--rule", "disk", "--org", "3", ...reason),
        /^ccx: unknown option '--reason'/,
        /ccx --help/,
      );
      assert.equal(await kept(), before);
      await lines("ack", "add", "--rule", "disk", "--org", "77", ...reason);
      assert.equal(
        await value(database.pool, "select justification from rule_disable where org_id = '77'"),
        "known, accepted",
      );
    });

    test("without a rule or an organization is refused", async () => {
      assertGivesUp(
        await ccx("ack", "add", "--rule", "", "--org", "1"),
        /^ccx: an acknowledgement needs an organization and a rule$/,
      );
      assertGivesUp(
        await ccx("ack", "add", "--rule", "net", "--org", "x"),
        /^ccx: --org takes a whole number, not "x"$/,
      );
      assertGivesUp(
        await ccx("ack", "add", "--rule", "net"),
        /required option '--org <id>' not specified/,
        /ccx --help/,
      );
    });
  });
});
