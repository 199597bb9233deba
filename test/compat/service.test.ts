import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { type ServiceLogReceiver, startServiceLogReceiver } from "../../dev/stack/service_log_receiver.ts";
import { runProgram } from "../support/command.ts";
import { type ContentService, startContentService } from "../support/content_service.ts";
import { openDatabase, testDatabase } from "../support/database.ts";
import { openTopics, type TestTopics } from "../support/kafka.ts";

const database = testDatabase({ asMigrated: true });
let content: ContentService;
let topics: TestTopics;
let receiver: ServiceLogReceiver;

before(async () => {
  content = await startContentService();
  topics = await openTopics();
  receiver = await startServiceLogReceiver({ clientId: "ccx-test", clientSecret: "test-secret" });
});
after(async () => {
  await content.stop();
  await topics[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});
// as the incumbent's users begin anew
beforeEach(() => database.pool.query("truncate new_reports, reported"));

/** The variables of a section. */
function section(name: string, values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      `CCX_NOTIFICATION_SERVICE__${name}__${key.toUpperCase()}`,
      value,
    ]),
  );
}

function storage(url: string, name = "STORAGE"): Record<string, string> {
  const { hostname, port, pathname, username } = new URL(url);
  return section(name, {
    pg_host: hostname,
    pg_port: port,
    pg_db_name: pathname.slice(1),
    pg_username: username,
    pg_password: "none",
    pg_params: "sslmode=disable",
  });
}

const kafkaOn = () => section("KAFKA_BROKER", { enabled: "true" });
const serviceLogOn = () => ({
  ...section("KAFKA_BROKER", { enabled: "false" }),
  ...section("SERVICE_LOG", { enabled: "true", tag_filter_enabled: "false" }),
});

const environment = (): Record<string, string> => ({
  ...storage(database.url),
  ...section("KAFKA_BROKER", { addresses: topics.brokers, topic: topics.notifications }),
  ...section("SERVICE_LOG", {
    url: receiver.url,
    token_url: receiver.tokenUrl,
    client_id: "ccx-test",
    client_secret: "test-secret",
  }),
  ...section("DEPENDENCIES", { content_server: content.origin.slice("http://".length) }),
});

/** Runs the command in a process that does so for all calls of this file. */
const run = (args: string[], env: Record<string, string> = kafkaOn()) =>
  runProgram("ccx-notification-service", args, { ...environment(), ...env });
const onePass = (env?: Record<string, string>, ...flags: string[]) =>
  run(["--instant-reports", "--ignore-disabled-rules", ...flags], env);

const cluster = "5d5892d4-2g85-4ccf-02bg-548dfc9767aa"; // no UUID, as in the incumbent's own tests
const report = (...rules: string[]) =>
  JSON.stringify({
    reports: rules.map((rule) => {
      const [name, key] = rule.split("|");
      return { type: "rule", component: `pkg.${name}.report`, key, details: { host: "h1" } };
    }),
  });

/** A plain insert, as the incumbent's writer makes it. */
const insertReport = (text: string, { name = cluster, at = "now()", org = 1 } = {}) =>
  database.pool.query(
    `insert into new_reports (org_id, account_number, cluster, report, updated_at, kafka_offset)
     values (${org}, 7, $1, $2, ${at}, 0)`,
    [name, text],
  );

const reported = async () =>
  (
    await database.pool.query(
      "select cluster, state, event_type_id as target, error_log from reported order by notified_at, cluster",
    )
  ).rows;
const states = async () => (await reported()).map(({ state }) => state);

const said = (stdout: string, text: string) =>
  stdout.split("\n").filter((line) => line.includes(text)).length;

describe("one pass with Kafka", () => {
  test("notifies of what is new, and says same afterwards", async () => {
    await insertReport(report("disk_full|DISK_FULL", "net_slow|SLOW"));
    const first = await onePass();
    assert.equal(first.code, 0, first.stdout + first.stderr);
    const [message] = await topics.received.take(1);
    assert.deepEqual(message?.titles, ["A disk is full", "The network is slow"]);
    assert.equal(message?.cluster, cluster);
    assert.equal(said(first.stdout, "Report with impact higher than configured threshold detected"), 2);
    assert.deepEqual(await reported(), [{ cluster, state: 1, target: 1, error_log: "" }]);

    const second = await onePass();
    assert.equal(second.code, 0, second.stderr);
    assert.equal(said(second.stdout, "No new issues to notify"), 1);
    assert.deepEqual(await states(), [1, 2]);
    await topics.received.assertNoMore();
  });
});
void openDatabase;
void serviceLogOn;
