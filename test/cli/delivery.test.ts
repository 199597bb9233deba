import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { beforeEach, test } from "node:test";
import {
  type Claimed,
  claim,
  delivered,
  failed,
  loadContent,
  notificationsBackend,
  type Row,
  rows,
  settle,
  someContent,
  someMessages,
  value,
} from "../support/builders.ts";
import { assertGivesUp, runCcx } from "../support/command.ts";
import { testDatabase } from "../support/database.ts";
import { cleanEnvironment, ccx as program } from "../support/service.ts";

const database = testDatabase();
const ccx = (...args: string[]) => runCcx(args, { DATABASE_URL: database.url });
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const stretch = () => ["--from", minutesAgo(60), "--to", minutesAgo(1)];

async function json(...args: string[]): Promise<Row[]> {
  const { code, stdout, stderr } = await ccx(...args, "--json");
  assert.deepEqual([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

const states = async () =>
  (
    await rows(database.pool, "select state, replay_of is not null as replay from notification order by id")
  ).map(({ state, replay }) => `${state}${replay ? " replay" : ""}`);

/** Three messages ended ten minutes ago: one was sent, two were refused. Returns their clusters. */
let clusters: string[];
beforeEach(async () => {
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification,
       notified_issue, reported restart identity;
     update circuit set failures = 0, failed_messages = '{}', opened_at = null, retry_at = null, probe_until = null, failed_probes = 0`,
  );
  const at = minutesAgo(10);
  clusters = await someMessages(database.pool, at, 3);
  const [one, two, three] = (await claim(database.pool, at)) as [Claimed, Claimed, Claimed];
  const dead = { failure: "schema", permanent: true };
  await settle(database.pool, [delivered(one), failed(two, dead), failed(three, dead)], at);
});

test("redrive says how many there are, and without a terminal does nothing until it is notified so", async () => {
  const asked = await ccx("delivery", "redrive");
  assertGivesUp(asked, /^ccx: Nothing was redriven\. --yes says that it is meant\.$/);
  assert.match(asked.stdout, /^target +failure +refusal +messages\nnotifications backend +schema +2\n$/);
  assert.deepEqual(await states(), ["sent", "dead", "dead"]);

  const { code, stdout } = await ccx("delivery", "redrive", "--yes");
  assert.equal(code, 0);
  assert.match(stdout, /\nRedriven: 2 messages\.\n$/);
  assert.deepEqual(await states(), ["sent", "pending", "pending"]);
  const none = await ccx("delivery", "redrive", "--yes");
  assert.deepEqual([none.code, none.stdout], [3, "Nothing was given up that this names.\n"]);
});

test("what was given up is listed with its failure, and what waits once it was redriven", async () => {
  assert.deepEqual((await ccx("delivery", "list")).stdout, "Nothing waits.\n");
  assert.equal((await ccx("delivery", "list")).code, 3);
  const dead = await json("delivery", "dead", "--failure", "schema");
  assert.deepEqual(
    dead.map(({ notification_id, cluster, redrivable }) => [notification_id, cluster, redrivable]),
    [
      ["2", clusters[1], true],
      ["3", clusters[2], true],
    ],
  );
  assert.deepEqual(await json("delivery", "dead", "--cluster", clusters[1]?.toUpperCase() ?? ""), [dead[0]]);
  const none = await ccx("delivery", "dead", "--org", "2");
  assert.deepEqual([none.code, none.stdout], [3, "Nothing was given up that this names.\n"]);
  assertGivesUp(await ccx("delivery", "dead", "--failure", "x"), /^ccx: There is no failure "x"; /);
  await json("delivery", "redrive", "--yes", "--id", "2");
  assert.partialDeepStrictEqual(await json("delivery", "list", "--target", notificationsBackend), [
    { notification_id: "2", cluster: clusters[1], attempts: 1 },
  ]);
});

test("target, organization, cluster, failure, time and number narrow it down", async () => {
  const [, second = "", third = ""] = clusters;
  const nothing: string[][] = [
    ["--target", "service log"],
    ["--org", "2"],
    ["--cluster", clusters[0] ?? ""],
    ["--failure", "broker"],
    ["--since", minutesAgo(5)],
    ["--id", "1"],
  ];
  for (const args of nothing) {
    const { code, stdout } = await ccx("delivery", "redrive", "--yes", "--json", ...args);
    assert.deepEqual([code, stdout], [3, "[]\n"], args.join(" "));
  }
  const one = [{ target: notificationsBackend, refusal: null, messages: 1, issues: 1, left_out: 0 }];
  assert.deepEqual(await json("delivery", "redrive", "--yes", "--id", "2"), one);
  const all = [
    "--target",
    notificationsBackend,
    "--org",
    "1",
    "--failure",
    "schema",
    "--since",
    minutesAgo(20),
  ];
  assert.deepEqual(await json("delivery", "redrive", "--yes", ...all, "--cluster", third.toUpperCase()), one);
  assert.deepEqual(await states(), ["sent", "pending", "pending"]);
  assert.notEqual(second, third);
});

test("what cannot be redriven says why, with exit code 3", async () => {
  await database.pool.query("update notification set first_tried_at = now() - interval '2 days'");
  const { code, stdout } = await ccx("delivery", "redrive", "--yes");
  assert.equal(code, 3);
  assert.match(
    stdout,
    /schema +the receiver may have forgotten its id, and would take it for a new message: replay it +2\n$/,
  );
  assert.deepEqual(await states(), ["sent", "dead", "dead"]);
});

test("replay says how many, and without a terminal does nothing until it is notified so; twice is once", async () => {
  const asked = await ccx("delivery", "replay", ...stretch());
  assertGivesUp(asked, /^ccx: Nothing was replayed\. --yes says that it is meant\.$/);
  assert.match(
    asked.stdout,
    /^target +state +messages +issues +clusters\nnotifications backend +sent +1 +1 +1\nnotifications backend +dead +2 +2 +2\n$/,
  );
  const all = stretch();
  const { code, stdout } = await ccx("delivery", "replay", ...all, "--yes");
  assert.equal(code, 0);
  assert.match(stdout, /\nReplayed: 3 messages\.\n$/);
  const replayed = ["sent", "dead", "dead", "pending replay", "pending replay", "pending replay"];
  assert.deepEqual(await states(), replayed);
  const twice = await ccx("delivery", "replay", ...all, "--yes");
  assert.deepEqual([twice.code, twice.stdout], [3, "There is nothing to replay.\n"]);
  assert.deepEqual(await states(), replayed);
  assert.deepEqual(await json("delivery", "replay", ...all, "--yes", "--again"), [
    { target: notificationsBackend, messages: 3, issues: 3, clusters: 3 },
  ]);
});

test("a stretch narrowed down by target, organization, cluster and rule", async () => {
  for (const args of [
    ["--target", "service log"],
    ["--org", "2"],
    ["--rule", "net"],
    ["--from", minutesAgo(5)],
  ]) {
    const { code, stdout } = await ccx("delivery", "replay", ...stretch(), "--yes", "--json", ...args);
    assert.deepEqual([code, stdout], [3, "[]\n"], args.join(" "));
  }
  const narrow = [
    "--target",
    notificationsBackend,
    "--org",
    "1",
    "--rule",
    "x.disk.report",
    "--cluster",
    clusters[1] ?? "",
  ];
  assert.equal((await json("delivery", "replay", ...stretch(), "--yes", ...narrow))[0]?.messages, 1);
  assert.equal(
    await value(database.pool, "select cluster from notification where replay_of is not null"),
    clusters[1],
  );
});

test("what makes no sense is one line with exit code 1", async () => {
  const says: [RegExp, ...string[]][] = [
    [
      /^ccx: a replay needs a stretch of the past/,
      "delivery",
      "replay",
      "--from",
      minutesAgo(1),
      "--to",
      minutesAgo(60),
    ],
    [
      /^ccx: a replay needs a stretch of the past/,
      "delivery",
      "replay",
      "--from",
      minutesAgo(1),
      "--to",
      minutesAgo(-60),
    ],
    [
      /^ccx: --from takes a time such as .+, not "yesterday/,
      "delivery",
      "replay",
      "--from",
      "yesterday'; --",
      "--to",
      "now",
    ],
    [/^ccx: there is no target "x"/, "delivery", "redrive", "--target", "x"],
    [
      /^ccx: There is no failure "x"; the failures are: schema, auth,/,
      "delivery",
      "redrive",
      "--failure",
      "x",
    ],
    [/^ccx: --id takes a whole number, not "1 or true"$/, "delivery", "redrive", "--id", "1 or true"],
  ];
  for (const [line, ...args] of says) assertGivesUp(await ccx(...args, "--yes"), line);
  assert.deepEqual(await states(), ["sent", "dead", "dead"]);
});

test("the circuits are shown; exit code 3 says that one is not closed", async () => {
  const [backend, serviceLog, ...more] = await json("circuit", "list");
  assert.deepEqual(
    [backend?.target, backend?.state, serviceLog?.state, more.length],
    [notificationsBackend, "closed", "closed", 0],
  );
  await database.pool.query(
    "update circuit set opened_at = now(), retry_at = now() + interval '1 hour' where target_id = 2",
  );
  const { code, stdout } = await ccx("circuit", "list");
  assert.equal(code, 3);
  assert.match(stdout, /^target +state +since +probe at/);
  assert.match(stdout, /\nservice log +open +\d{4}-/);
});

test("a circuit is closed by hand when a person says so", async () => {
  const open =
    "update circuit set opened_at = now(), retry_at = now() + interval '1 hour' where target_id = 1";
  await database.pool.query(open);
  const close = ["circuit", "close", "--target", notificationsBackend];
  const asked = await ccx(...close);
  assertGivesUp(asked, /^ccx: Nothing was closed\. --yes says that it is meant\.$/);
  assert.match(asked.stdout, /\nnotifications backend +open /);
  assert.equal((await ccx("circuit", "list")).code, 3);

  const { code, stdout } = await ccx(...close, "--yes");
  assert.equal(code, 0);
  assert.match(stdout, /\nClosed: notifications backend\.\n$/);
  assert.equal((await ccx("circuit", "list")).code, 0);
  const again = await ccx(...close, "--yes");
  assert.deepEqual(
    [again.code, again.stdout],
    [3, "The circuit of notifications backend is closed already.\n"],
  );

  await database.pool.query(open);
  const [row, ...more] = await json(...close, "--yes");
  assert.deepEqual([row?.target, row?.state, more.length], [notificationsBackend, "closed", 0]);
  assertGivesUp(await ccx("circuit", "close", "--target", "x", "--yes"), /^ccx: there is no target "x"/);
});

const terminal = (() => {
  try {
    return execFileSync("script", ["--version"], { encoding: "utf8" }).includes("util-linux");
  } catch {
    return false;
  }
})();
for (const [answer, done] of [
  ["n", false],
  ["", false],
  ["y", true],
] as const)
  test(`on a terminal it asks; ${JSON.stringify(answer)} means ${done ? "yes" : "no"}`, {
    skip: !terminal,
  }, async () => {
    const child = spawn(
      "script",
      ["-qec", `'${process.execPath}' '${program}' delivery redrive`, "/dev/null"],
      {
        stdio: ["pipe", "pipe", "ignore"],
        env: cleanEnvironment({ DATABASE_URL: database.url }),
        timeout: 60_000,
      },
    );
    child.stdin.write(`${answer}\n`);
    const [said] = await Promise.all([text(child.stdout), once(child, "close")]);
    assert.match(said, /Redrive 2 messages\? \[y\/N\] /);
    assert.deepEqual(await states(), done ? ["sent", "pending", "pending"] : ["sent", "dead", "dead"]);
  });

test("show makes the texts of a message again as they were sent, whatever the content says by now", async () => {
  const before = await json("delivery", "show", "1");
  const texts = { rule: "ccx_rules_ocp.external.rules.disk.report|KEY", title: "disk is wrong", error: "" };
  assert.partialDeepStrictEqual(before, [
    { target: notificationsBackend, state: "sent", report_is_kept: true, issues: [texts] },
  ]);
  const [message] = await rows(
    database.pool,
    "select message_id, org_id, cluster, first_tried_at from notification where id = 1",
  );
  assert.partialDeepStrictEqual(before[0]?.body, {
    ...{
      id: message?.message_id,
      org_id: message?.org_id,
      timestamp: message?.first_tried_at,
      bundle: "openshift",
    },
    context: { display_name: message?.cluster },
    events: [{ payload: { rule_description: "disk is wrong" } }],
  });
  const changed = someContent("disk", { description: "{{=pydata.error_key}} is quite wrong" });
  await loadContent(database.pool, [changed], new Date().toISOString());
  assert.deepEqual(await json("delivery", "show", "1"), before);
  const { stdout } = await ccx("delivery", "show", "1");
  assert.match(stdout, /disk is wrong(.|\n)*notifications backend, sent/);
  assert.equal((await ccx("delivery", "show", "999999")).code, 3);
});
