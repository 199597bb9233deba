import assert from "node:assert/strict";
import { test } from "node:test";
import kafkajs from "kafkajs";
import pg from "pg";
import { finished } from "../support/command.ts";

const demo = new URL("../../src/dev/demo.ts", import.meta.url).pathname;
const { TEST_DATABASE_URL: databaseUrl = "", TEST_KAFKA_BROKERS: brokers = "" } = process.env;
const env = { DATABASE_URL: databaseUrl, KAFKA_BROKERS: brokers };

test("the demo adds up, and leaves nothing on servers that are not its own", async () => {
  const end = await finished([demo, "--json", "--reports", "120"], env);
  assert.equal(end.code, 0, end.stderr);
  assert.equal(end.stdout.trim().split("\n").length, 1, "one JSON object and nothing else");
  const said = JSON.parse(end.stdout);
  const { reports, issues, decisions, targets, seconds } = said;
  assert.deepEqual(Object.keys(said), ["reports", "issues", "decisions", "targets", "seconds"]);
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

  const server = new pg.Client({ connectionString: databaseUrl });
  await server.connect();
  const { rows } = await server.query("select datname from pg_database where datname like $1", [
    `ccx\\_demo\\_${end.pid}\\_%`,
  ]);
  await server.end();
  assert.deepEqual(rows, []);
  const kafka = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => topic.includes(`.demo-${end.pid}`));
  const groups = (await admin.listGroups()).groups.filter(({ groupId }) =>
    groupId.includes(`.demo-${end.pid}`),
  );
  await admin.disconnect();
  assert.deepEqual(topics, []);
  assert.deepEqual(groups, []);
});

test("a wrong option of the demo is told in a few lines", async () => {
  for (const args of [
    ["--reports", "none"],
    ["--report", "1"],
  ]) {
    const end = await finished([demo, ...args], env);
    assert.equal(end.code, 1);
    assert.equal(end.stdout, "");
    assert.match(end.stderr, /^ccx: .*--report/);
    assert.doesNotMatch(end.stderr, /^ +at /m);
  }
});
