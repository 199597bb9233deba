import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import {
  aCluster,
  addReports,
  decideDue,
  loadContent,
  notificationsBackend,
  type Row,
  reportAndDecide,
  rows,
  someContent,
  value,
} from "../support/builders.ts";
import { assertGivesUp, runCcx } from "../support/command.ts";
import { testDatabase } from "../support/database.ts";
import { setScopedPolicy } from "../support/policies.ts";
import { ccx as ccxFile, cleanEnvironment } from "../support/service.ts";
import { cells, shellOn } from "../support/shell.ts";
import { until } from "../support/until.ts";

const database = testDatabase();
const ccx = shellOn(database);
const simulate = ["policy", "simulate", "--target", notificationsBackend];
const rule = (name: string) => `ccx_rules_ocp.external.rules.${name}.report`;

/** What is left behind by nobody who only tries: every row of what a change would write. */
const written = () =>
  rows(
    database.pool,
    `select (select jsonb_agg(p order by id) from policy p) as policies,
       (select jsonb_agg(f order by policy_id, content_id) from filter_result f) as filters,
       (select count(*) from decision_request) as requests, (select count(*) from decision_due) as due,
       (select count(*) from notification) as notifications,
       (select count(*) from graphile_worker._private_jobs) as jobs`,
  );

describe("a change of policy is tried on the decisions of now", () => {
  const [one, two] = [aCluster(), aCluster()];

  before(async () => {
    await loadContent(database.pool, ["disk", someContent("low", { impact: 2, likelihood: 2 })]);
    const at = new Date(Date.now() - 3_600_000).toISOString();
    await addReports(database.pool, [
      { cluster: one, at, hits: ["disk", "low"], org: 1 },
      { cluster: two, at, hits: ["low"], org: 2 },
    ]);
  });

  test("the summary says by rule how many decisions change, and from what to what", async () => {
    const before = await written();
    const [header, change, empty, note, ...more] = await ccx.lines(...simulate, "total_risk_threshold=3");
    assert.deepEqual(cells(header), [
      ...["target", "component", "error key", "before", "after", "next eligible", "decisions", "clusters"],
      "organizations",
    ]);
    const from = [notificationsBackend, rule("low"), "KEY", "notify", "hold: below_threshold"];
    assert.deepEqual(cells(change), [...from, "2", "2", "2"]);
    assert.equal(empty, "");
    assert.equal(note, "2 decisions would change; notified now: 0 instead of 2 of them. Nothing was kept.");
    assert.deepEqual(more, []);
    assert.deepEqual(await written(), before);
  });

  test("programs get the same as one array", async () => {
    assert.deepEqual(await ccx.json(...simulate, "total_risk_threshold=3"), {
      code: 0,
      printed: [
        {
          ...{ target: notificationsBackend, component: rule("low"), error_key: "KEY" },
          ...{ before: "notify", after: "hold: below_threshold", next_eligible: null },
          ...{ decisions: 2, clusters: 2, organizations: 2 },
        },
      ],
    });
  });

  test("it may be for an organization or a rule alone", async () => {
    const tried = async (...scope: string[]) => {
      const { printed } = await ccx.json(...simulate, "enabled=false", ...scope, "--verbose");
      return printed.map(({ org_id, component }) => `${org_id} ${component}`);
    };
    assert.deepEqual(await tried("--org", "2"), [`2 ${rule("low")}`]);
    assert.deepEqual(await tried("--rule", "x.disk.report"), [`1 ${rule("disk")}`]);
    assert.deepEqual(await tried("--rule", "low", "--org", "1"), [`1 ${rule("low")}`]);
  });

  test("single decisions are shown up to a limit, and then it says so", async () => {
    const verbose = [...simulate, "total_risk_threshold=4", "--verbose"];
    const all = await ccx.json(...verbose);
    assert.deepEqual(
      all.printed.map(({ cluster, component, before, after }) => [cluster, component, before, after]),
      [
        [one, rule("disk"), "notify", "hold: below_threshold"],
        [one, rule("low"), "notify", "hold: below_threshold"],
        [two, rule("low"), "notify", "hold: below_threshold"],
      ],
    );
    const some = await ccx.lines(...verbose, "--limit", "2");
    assert.equal(some.length, 5, "a header, two decisions, an empty line, a note");
    assert.match(some.at(-1) ?? "", /^3 decisions would change, of which these are the first 2; /);
    assert.equal((await ccx.json(...verbose, "--limit", "1")).printed.length, 1);
  });

  test("a changed cooldown shows what becomes due sooner or later", async () => {
    await decideDue(database.pool, new Date(Date.now() - 1_800_000).toISOString());
    const shorter = await ccx.json(...simulate, "cooldown=1 minute", "--rule", "disk");
    assert.partialDeepStrictEqual(shorter.printed, [
      { before: "hold: cooldown", after: "notify", next_eligible: "sooner", decisions: 1 },
    ]);
    const longer = await ccx.json(...simulate, "cooldown=30d", "--rule", "disk");
    assert.partialDeepStrictEqual(longer.printed, [
      { before: "hold: cooldown", after: "hold: cooldown", next_eligible: "later", decisions: 1 },
    ]);
  });

  test("what would change nothing ends with code 3", async () => {
    const { code, stdout } = await ccx(...simulate, "max_events=7");
    assert.deepEqual([code, stdout], [3, "Nothing would change.\n"]);
    assert.deepEqual(await ccx.json(...simulate, "max_events=7"), { code: 3, printed: [] });
  });

  test("what cannot be is refused in one line", async () => {
    const before = await written();
    const refuse = async (line: RegExp, ...args: string[]) =>
      assertGivesUp(await ccx(...simulate, ...args), line);
    await refuse(/^ccx: Nothing to simulate: give setting=value, or --from /);
    await refuse(/^ccx: a cooldown has to be between 0 and 100 years$/, "cooldown=-1 day");
    await refuse(/^ccx: the filter cannot be read at position 3: /, "filter=1 &");
    await refuse(/^ccx: "cooldown" is not of the form setting=value\.$/, "cooldown");
    await refuse(/^ccx: --limit has to be a whole number from 1 to /, "enabled=false", "--limit", "0");
    await refuse(/^ccx: --timeout has to be a whole number from 1/, "enabled=false", "--timeout", "x");
    assertGivesUp(await ccx("policy", "simulate", "a=b"), /required option '--target <name>'/, /--help/);
    assert.deepEqual(await written(), before);
  });

  test("what takes more than a moment is announced, by what the newest survey took, and given the time", async () => {
    const { pool } = database;
    await pool.query("delete from survey");
    try {
      const { stdout } = await ccx("survey", "ask", "decisions", "--by", "organization", "--json");
      const surveyed = JSON.parse(stdout).filter(({ target }: Row) => target !== null);
      assert.equal(
        surveyed.reduce((all: number, one: Row) => all + Number(one.decisions), 0),
        6,
      );
      // three decisions on this target, twice each; 60 seconds for the six on both
      await pool.query("update survey_part set seconds = 60");
      const announced = async (...args: string[]) => {
        const { code, stderr } = await ccx(...simulate, "total_risk_threshold=3", ...args);
        assert.equal(code, 0, stderr);
        return stderr;
      };
      assert.equal(await announced(), "ccx: this takes about 60 s, for 6 decisions\n");
      assert.equal(await announced("--json"), "ccx: this takes about 60 s, for 6 decisions\n");
      assert.equal(await announced("--org", "2"), "ccx: this takes about 20 s, for 2 decisions\n");
      await pool.query("update survey_part set seconds = 0.01");
      assert.equal(await announced(), "");

      const dayAgo = new Date(Date.now() - 86_400_000).toISOString();
      const past = [...simulate, "cooldown=1 hour", "--from", dayAgo];
      assert.match(
        (await ccx(...past)).stderr,
        /^ccx: how long .* is not known here; ccx survey ask backtest /,
      );
      const target = ["--target", notificationsBackend];
      assert.equal((await ccx("survey", "ask", "backtest", ...target, "--from", dayAgo)).code, 0);
      await pool.query(
        "update survey_part set seconds = 30 from survey s where s.id = survey_id and s.kind = 'backtest'",
      );
      // a day as that one was, replayed twice
      assert.match(
        (await ccx(...past)).stderr,
        /^ccx: this takes about 6[0-1] s; ccx survey ask backtest does it/,
      );
    } finally {
      await pool.query("delete from survey");
    }
  });

  test("Ctrl-C ends it in the database, too, and keeps nothing", async () => {
    const before = await written();
    const holder = await database.pool.connect();
    const waiting = `select count(*)::integer from pg_stat_activity
      where datname = current_database() and application_name = 'ccx' and wait_event = 'advisory'`;
    try {
      await holder.query("begin");
      await holder.query("select lock_policies(target_id($1))", [notificationsBackend]);
      const child = spawn(process.execPath, [ccxFile, ...simulate, "enabled=false"], {
        stdio: ["ignore", "pipe", "pipe"],
        env: cleanEnvironment({ DATABASE_URL: database.url }),
      });
      const said = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
      await until("it waits", async () => (await value(database.pool, waiting)) === 1);
      child.kill("SIGINT");
      const [stdout, stderr, [code]] = await said;
      assert.deepEqual(
        [code, stdout, stderr],
        [1, "", "ccx: The simulation was stopped by SIGINT; nothing was kept.\n"],
      );
      assert.equal(await value(database.pool, waiting), 0, "the statement ended before the process did");
    } finally {
      await holder.query("rollback");
      holder.release();
    }
    assert.deepEqual(await written(), before);
  });

  test("it gives up after its time, and keeps nothing", async () => {
    const before = await written();
    const holder = await database.pool.connect();
    try {
      await holder.query("begin");
      await holder.query("select lock_policies(target_id($1))", [notificationsBackend]);
      assertGivesUp(
        await ccx(...simulate, "enabled=false", "--timeout", "1"),
        /^ccx: The simulation took longer than 1 s; nothing was kept\. --timeout gives it more\.$/,
      );
    } finally {
      await holder.query("rollback");
      holder.release();
    }
    assert.deepEqual(await written(), before);
  });

  test("a role that may do no more than write policies can try one", async () => {
    const role = `ccx_policies_${process.pid}`;
    const owner = database.pool;
    await owner.query(`create role ${role} login`);
    try {
      await owner.query(`grant select on all tables in schema public to ${role}`);
      await owner.query(`grant insert, update on policy to ${role}`);
      await owner.query(`grant insert on filter_result, decision_request to ${role}`);
      const before = await written();
      const url = new URL(database.url);
      url.username = role;
      const end = await runCcx([...simulate, "filter=totalRisk > 3", "--json"], {
        DATABASE_URL: url.href,
      });
      assert.deepEqual([end.code, end.stderr], [0, ""]);
      assert.equal(JSON.parse(end.stdout).length, 2);
      assert.deepEqual(await written(), before);
    } finally {
      await owner.query(`drop owned by ${role}`);
      await owner.query(`drop role ${role}`);
    }
  });
});

describe("a change of policy is tried on the past", () => {
  const past = ["--from", "2026-03-01", "--to", "2026-03-06"];

  before(async () => {
    const cluster = aCluster();
    await setScopedPolicy(database.pool, {}, { cooldown: "7 days" }, "2026-02-01T00:00:00Z");
    for (let day = 1; day <= 5; day++)
      await reportAndDecide(database.pool, cluster, `2026-03-0${day}T12:00:00Z`, ["disk"]);
  });

  test("day by day, with what was really sent beside it, and a total for people", async () => {
    const before = await written();
    const lines = await ccx.lines(...simulate, ...past, "cooldown=2d");
    assert.deepEqual(cells(lines[0]), [
      ...["day", "issues before", "issues", "messages before", "messages", "clusters before", "clusters"],
      ...["organizations before", "organizations"],
    ]);
    assert.deepEqual(
      lines.slice(1).map((line) => cells(line).slice(0, 5)),
      [
        ["2026-03-01", "1", "1", "1", "1"],
        ["2026-03-02", "0", "0", "0", "0"],
        ["2026-03-03", "0", "1", "0", "1"],
        ["2026-03-04", "0", "0", "0", "0"],
        ["2026-03-05", "0", "1", "0", "1"],
        ["total", "1", "3", "1", "3"],
      ],
    );
    assert.deepEqual(await written(), before);
  });

  test("programs get the days only; without a change they get what was sent", async () => {
    const { code, printed } = await ccx.json(...simulate, ...past);
    assert.equal(code, 0);
    assert.deepEqual(
      printed,
      await rows(
        database.pool,
        `select day::text, issues::integer, messages::integer, clusters::integer, organizations::integer
         from backtest($1, '2026-03-01', '2026-03-06') order by day`,
        [notificationsBackend],
      ),
    );
    assert.deepEqual(printed[0], {
      day: "2026-03-01",
      issues: 1,
      messages: 1,
      clusters: 1,
      organizations: 1,
    });
    assert.equal((await ccx.json(...simulate, ...past, "cooldown=2d")).printed.length, 5);
  });

  test("for one organization alone it is its own policy that is tried", async () => {
    await reportAndDecide(database.pool, aCluster(), "2026-03-01T12:00:00Z", ["disk"]);
    const mine = await ccx.json(...simulate, ...past, "--org", "1", "cooldown=2d");
    assert.deepEqual(
      mine.printed.map(({ issues_before, issues }) => [issues_before, issues]),
      (await ccx.json(...simulate, ...past, "cooldown=2d")).printed.map((day) => [
        day.issues_before,
        day.issues,
      ]),
    );
    const others = await ccx(...simulate, ...past, "--org", "2", "cooldown=2d", "--json");
    assert.equal(others.code, 3);
    assert.ok(JSON.parse(others.stdout).every((day: Record<string, unknown>) => day.issues === 0));
    const nobody = await ccx(...simulate, ...past, "--org", "77", "cooldown=2d");
    assert.match(nobody.stderr, /no cluster of organization 77 has ever reported/);
  });

  test("it goes up to now unless said otherwise", async () => {
    const from = new Date(Date.now() - 2 * 86_400_000).toISOString();
    assert.equal((await ccx.json(...simulate, "--from", from)).printed.length, 3);
  });

  test("what would have changed nothing ends with code 3", async () => {
    const { code, printed } = await ccx.json(...simulate, ...past, "cooldown=8 days");
    assert.deepEqual([code, printed.length], [3, 5]);
  });

  test("what cannot be is refused in one line", async () => {
    const refuse = async (line: RegExp, ...args: string[]) =>
      assertGivesUp(await ccx(...simulate, ...args), line);
    await refuse(
      /^ccx: a backtest goes from one time to a later one/,
      "--from",
      "2026-03-06",
      "--to",
      "2026-03-01",
    );
    await refuse(/^ccx: --to needs a --from/, "--to", "2026-03-01", "enabled=false");
    await refuse(/^ccx: The past is simulated for a whole target/, ...past, "--rule", "disk");
    await refuse(/^ccx: --org takes a whole number, not "x"$/, ...past, "--org", "x");
    await refuse(/^ccx: The past is shown day by day/, ...past, "--verbose");
    await refuse(/^ccx: a cooldown has to be between /, ...past, "cooldown=-1 day");
    await refuse(/^ccx: --from takes a time such as 2026-12-24T08:00Z, not "soon"$/, "--from", "soon");
    assert.equal(
      await value(database.pool, "select count(*)::integer from policy where reason = 'ccx policy simulate'"),
      0,
    );
  });
});
