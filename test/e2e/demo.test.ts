import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import kafkajs from "kafkajs";
import pg from "pg";
import { assertGivesUp, finished } from "../support/command.ts";
import { cleanEnvironment } from "../support/service.ts";
import { until } from "../support/until.ts";

const demo = new URL("../../dev/demo/demo.ts", import.meta.url).pathname;
const { TEST_DATABASE_URL: databaseUrl = "", TEST_KAFKA_BROKERS: brokers = "" } = process.env;
const env = { DATABASE_URL: databaseUrl, KAFKA_BROKERS: brokers };

test("the demo adds up, and leaves nothing on servers that are not its own", async () => {
  const end = await finished([demo, "--json", "--reports", "120"], env);
  assert.equal(end.code, 0, end.stderr);
  assert.equal(end.stdout.trim().split("\n").length, 1, "one JSON object and nothing else");
  const said = JSON.parse(end.stdout);
  const { uploads, reports, issues, decisions, targets, seconds } = said;
  assert.deepEqual(Object.keys(said), ["uploads", "reports", "issues", "decisions", "targets", "seconds"]);
  assert.deepEqual(uploads, { sent: 7, analyzed: 5, failed: 2 });
  assert.ok(reports.produced >= 120);
  assert.ok(reports.stored > 0 && reports.rejected > 0);
  assert.equal(reports.produced, reports.stored + reports.rejected);
  assert.ok(issues.open > 0 && decisions.notify > 0 && decisions.hold > 0);
  assert.ok(Object.values(decisions.reasons).every((count) => Number(count) > 0));
  assert.ok(decisions.reasons.below_threshold > 0 && decisions.reasons.no_content > 0);
  assert.deepEqual(Object.keys(targets).sort(), ["notifications backend", "service log"]);
  for (const target of Object.values<Record<string, number>>(targets))
    assert.deepEqual(
      [Object.keys(target).sort(), Number(target.sent) > 0, target.dead],
      [["dead", "sent"], true, 0],
    );
  assert.ok(seconds > 0);

  assert.deepEqual(await databasesOf(end.pid), []);
  assert.deepEqual(await topicsAndGroupsOf(end.pid), []);
});

test("a wrong option of the demo is refused in one line", async () => {
  for (const [args, said] of [
    [["--report", "1"], /^ccx: Unknown option '--report'.*--help lists the options\.$/],
    [["--reports", "none"], /^ccx: --reports has to be a whole number from 1 on\.$/],
  ] as const) {
    const end = await finished([demo, ...args], env);
    assertGivesUp(end, said);
    assert.equal(end.stdout, "");
  }
});

test("the demo says what its options are", async () => {
  const { code, stdout, stderr } = await finished([demo, "--help"], env);
  assert.deepEqual([code, stderr], [0, ""]);
  for (const option of ["--reports", "--seed", "--json", "--keep"]) assert.ok(stdout.includes(option));
});

test("the demo ends when its service cannot go on, and leaves nothing", async (t) => {
  const child = spawn(process.execPath, [demo, "--reports", "20000"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: cleanEnvironment(env),
  });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    said += chunk;
  });
  await until("it consumes", () => /, [1-9]\d* of 2000\d results consumed/m.test(said));
  const [name] = await databasesOf(child.pid);
  const itsOwn = new URL(databaseUrl);
  itsOwn.pathname = String(name);
  // as after its topic was created anew: that takes a person
  await onServer("update consumer_offset set next_offset = 1000000", [], itsOwn.href);
  await until("the demo ends", () => child.exitCode !== null || child.signalCode !== null);
  assert.equal(child.exitCode, 1, said);
  assert.deepEqual(said.match(/^(ccx: | +at ).*/gm)?.length, 1, said);
  assert.match(said, /^ccx: topic .* was created anew/m);
  assert.deepEqual(await databasesOf(child.pid), []);
  assert.deepEqual(await topicsAndGroupsOf(child.pid), []);
});

/** What a query on the server gives. */
async function onServer(
  sql: string,
  values: unknown[] = [],
  url = databaseUrl,
): Promise<Record<string, unknown>[]> {
  const server = new pg.Client({ connectionString: url });
  await server.connect();
  const { rows } = await server.query(sql, values).finally(() => server.end());
  return rows;
}

async function databasesOf(demoPid: number | undefined): Promise<unknown[]> {
  const like = `ccx\\_demo\\_${demoPid}\\_%`;
  const rows = await onServer("select datname from pg_database where datname like $1", [like]);
  return rows.map(({ datname }) => datname);
}

async function topicsAndGroupsOf(demoPid: number | undefined): Promise<string[]> {
  const kafka = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const topics = await admin.listTopics();
  const { groups } = await admin.listGroups();
  await admin.disconnect();
  const names = [...topics, ...groups.map(({ groupId }) => groupId)];
  return names.filter((name) => name.includes(`.demo-${demoPid}`));
}
