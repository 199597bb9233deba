import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, beforeEach, describe, test } from "node:test";
import { type ServiceLogReceiver, startServiceLogReceiver } from "../../dev/stack/service_log_receiver.ts";
import { finished, runProgram } from "../support/command.ts";
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

const cluster = "5d5892d4-1f74-4ccf-91af-548dfc9767aa";
/** No UUID, as in the tables of the incumbent's own tests. */
const noUuid = "5d5892d4-2g85-4ccf-02bg-548dfc9767aa";
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

/** A row that the incumbent wrote when it notified of a report. */
const insertReported = (
  report: string,
  { at = "now() - interval '1 hour'", target = 1, state = 1, name = cluster } = {},
) =>
  database.pool.query(
    `insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
       notified_at, error_log, event_type_id)
     values (1, 7, $1, 1, ${state}, $2, now(), ${at}, '', ${target})`,
    [name, report],
  );

/** A server of the test, on any port; disposing closes it. */
async function serving(answer: RequestListener) {
  const server: Server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await server[Symbol.asyncDispose]();
    },
  };
}

let entriesSeen = 0;
/** The entries that the receiver got since it was last asked. */
function newEntries() {
  const entries = receiver.entries.slice(entriesSeen);
  entriesSeen = receiver.entries.length;
  return entries;
}

const diskFull = report("disk_full|DISK_FULL");
const both = report("disk_full|DISK_FULL", "net_slow|SLOW");

/** A pass that has to end with code 0; returns how many messages it sent to Kafka. */
async function passes(env?: Record<string, string>, ...flags: string[]): Promise<number> {
  const { code, stdout, stderr } = await onePass(env, ...flags);
  assert.equal(code, 0, stdout + stderr);
  return (await topics.received.takeAll()).length;
}

const said = (stdout: string, text: string) =>
  stdout.split("\n").filter((line) => line.includes(text)).length;

describe("one pass with Kafka", () => {
  test("notifies of what is new, and says same afterwards", async () => {
    await insertReport(both);
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
    // one version of the policy for the configuration, not one for each pass
    const { rows } = await database.pool.query(
      "select count(*) from policy where target_id = 1 and reason like 'configuration of %'",
    );
    assert.equal(rows[0]?.count, "1");
  });

  test("after both tables were emptied the same reports are notified of again, older ones as well", async () => {
    await insertReport(diskFull);
    assert.equal(await passes(), 1);
    await database.pool.query("truncate new_reports, reported");
    await insertReport(diskFull);
    assert.equal(await passes(), 1);
    await database.pool.query("truncate new_reports, reported");
    await insertReport(diskFull, { at: "'1990-01-01'" });
    assert.equal(await passes(), 1);
    assert.deepEqual(await states(), [1]);
    assert.deepEqual((await database.pool.query("select * from drift")).rows, []);
  });

  test("rows that another program writes to reported start cooldowns, for their target only", async () => {
    await insertReport(both);
    await insertReported(diskFull);
    assert.equal(await passes(), 1);
    await database.pool.query("truncate new_reports, reported");
    await insertReport(diskFull);
    await insertReported(diskFull, { target: 2 });
    await insertReported(diskFull, { state: 2, at: "now() - interval '2 hours'" });
    await insertReported(diskFull, { at: "now() - interval '3 weeks'" });
    assert.equal(await passes(), 1);
  });

  test("what another program reported of a cluster that nobody knows is its report, and is not notified again", async () => {
    await insertReported(diskFull, { name: "never seen" });
    assert.equal(await passes(), 0);
    assert.deepEqual(await states(), [1, 2]);
    assert.equal((await database.pool.query("select from new_reports")).rowCount, 1);
  });

  test("somebody's open transaction keeps back its own cluster only", async () => {
    const other = await database.pool.connect();
    try {
      await other.query("begin");
      await other.query(
        `insert into new_reports (org_id, account_number, cluster, report, updated_at, kafka_offset)
         values (1, 7, 'open', $1, now(), 0)`,
        [diskFull],
      );
      await insertReport(diskFull, { name: "free" });
      assert.equal(await passes(), 1);
      await other.query("commit");
      assert.equal(await passes(), 1);
      const { rows } = await database.pool.query(
        "select cluster from decision_due where cluster in ('open', 'free')",
      );
      assert.deepEqual(rows, [], "nobody waits for a worker that there is not");
    } finally {
      other.release();
    }
  });

  test("reports that are empty or no JSON have no row", async () => {
    await insertReport('{"reports":[]}');
    await insertReport("", { name: "another" });
    assert.equal(await passes(), 0);
    assert.deepEqual(await states(), []);
  });

  test("threshold, filter, tags, cooldown and lists of clusters are those of the configuration", async () => {
    await insertReport(diskFull);
    const held: Record<string, string>[] = [
      section("KAFKA_BROKER", { total_risk_threshold: "4" }),
      section("KAFKA_BROKER", { event_filter: "impact > 2" }),
      section("KAFKA_BROKER", {
        likelihood_threshold: "4",
        event_filter: "likelihood > likelihoodThreshold",
      }),
      section("KAFKA_BROKER", { tag_filter_enabled: "true", tags: "openshift, osd_customer" }),
    ];
    for (const settings of held) assert.equal(await passes({ ...kafkaOn(), ...settings }), 0);
    assert.deepEqual(
      await states(),
      held.map(() => 2),
    );
    // who is left out has no row
    for (const settings of [
      section("PROCESSING", { filter_allowed_clusters: "true", allowed_clusters: "another" }),
      section("PROCESSING", { filter_allowed_clusters: "true" }),
      section("PROCESSING", { filter_blocked_clusters: "1", blocked_clusters: `x,${cluster}` }),
    ])
      assert.equal(await passes({ ...kafkaOn(), ...settings }), 0);
    assert.equal((await states()).length, held.length);
    const again = { ...kafkaOn(), ...section("KAFKA_BROKER", { cooldown: "0 days" }) };
    assert.equal(await passes(again), 1);
    assert.equal(await passes(again), 1);
    assert.equal(await passes({ ...kafkaOn(), ...section("KAFKA_BROKER", { cooldown: "3600" }) }), 0);
  });

  test("a topic that is missing is created", async () => {
    const topic = `${topics.notifications}.new`;
    await insertReport(diskFull, { name: noUuid });
    assert.equal(await passes({ ...kafkaOn(), ...section("KAFKA_BROKER", { topic }) }), 0);
    assert.deepEqual(await states(), [1]);
    await using admin = await topics.admin();
    await admin.deleteTopics({ topics: [topic] });
  });
});

describe("one pass with Service Log", () => {
  test("posts an entry for each issue, with texts of its own, and one row for the cluster", async () => {
    await insertReport(both);
    const { code, stdout, stderr } = await onePass(serviceLogOn());
    assert.equal(code, 0, stdout + stderr);
    const entries = newEntries();
    assert.deepEqual(entries.map(({ body }) => body.summary).sort(), [
      "A disk is full",
      "The network is slow",
    ]);
    assert.match(
      String(entries.find(({ body }) => body.summary.includes("network"))?.body.description),
      /h1/,
    );
    assert.deepEqual(await reported(), [{ cluster, state: 1, target: 2, error_log: "" }]);
    assert.deepEqual(receiver.unexpected, []);
  });

  test("a rendering service is asked where one is configured; when it fails, the next pass tries again", async () => {
    await insertReport(diskFull);
    const asked: { content: unknown[]; report_data: unknown }[] = [];
    let fails = true;
    await using renderer = await serving(async (request, response) => {
      assert.equal(request.url, "/v1/rendered_reports");
      asked.push(JSON.parse(await text(request)));
      if (fails) response.writeHead(500).end("a template is broken");
      else
        response.end(
          JSON.stringify({
            clusters: [cluster],
            reports: {
              [cluster]: [
                { rule_id: "pkg.disk_full", error_key: "DISK_FULL", description: "Theirs", reason: "Why" },
              ],
            },
          }),
        );
    });
    const settings = {
      ...serviceLogOn(),
      ...section("DEPENDENCIES", { template_renderer_server: renderer.address }),
    };
    const failed = await onePass(settings);
    assert.equal(failed.code, 0, failed.stderr);
    assert.equal(said(failed.stdout, "Rendering reports failed for this cluster"), 1);
    assert.deepEqual(
      (await reported()).map(({ state, error_log }) => [state, error_log]),
      [[4, "The rendering service answers 500."]],
    );
    fails = false;
    const again = await onePass(settings);
    assert.equal(again.code, 0, again.stderr);
    const [entry] = newEntries();
    assert.equal(entry?.body.summary, "Theirs");
    assert.match(String(entry?.body.description), /^Why\n\n\[More details\]/);
    assert.deepEqual((await states()).sort(), [1, 2]);
    assert.deepEqual(asked[0]?.report_data, {
      clusters: [cluster],
      reports: {
        [cluster]: {
          reports: [
            {
              ...{ type: "rule", component: "pkg.disk_full.report", key: "DISK_FULL" },
              ...{ details: { host: "h1" }, TotalRisk: 3 },
            },
          ],
        },
      },
    });
    assert.equal(asked[0]?.content.length, 1);
  });

  test("what the receiver does not take is an error until the next pass gets it through", async () => {
    await insertReport(diskFull);
    receiver.behave({ status: 503 });
    const failed = await onePass(serviceLogOn());
    assert.equal(failed.code, 0, failed.stderr);
    assert.deepEqual(await states(), [4]);
    assert.equal(await passes(serviceLogOn()), 0);
    assert.equal(newEntries().length, 1);
    assert.deepEqual((await states()).sort(), [1, 2]);
  });
});

describe("disabled rules of the aggregator", () => {
  test("hold what they name while they are there; people's own acknowledgements stay", async () => {
    await using aggregator = await openDatabase({ empty: true });
    await aggregator.pool.query(`
      create table cluster_rule_toggle (cluster_id varchar, rule_id varchar, error_key varchar,
        org_id varchar, disabled smallint);
      create table rule_disable (org_id varchar, rule_id varchar, error_key varchar, justification varchar);
      insert into cluster_rule_toggle values ('${cluster}', 'pkg.disk_full.report', 'DISK_FULL', '1', 1),
        ('another', 'pkg.net_slow.report', 'SLOW', '1', 1), ('${cluster}', 'pkg.net_slow.report', 'SLOW', '1', 0);
      insert into rule_disable values ('2', 'pkg.net_slow', 'SLOW', ''), ('none', 'pkg.net_slow', 'SLOW', '')`);
    await database.pool.query("select acknowledge(3, 'net_slow', null, 'SLOW', 'ours')");
    const settings = { ...kafkaOn(), ...storage(aggregator.url, "AGGREGATOR_STORAGE") };
    const withRules = () => run(["--instant-reports"], settings);

    await insertReport(diskFull);
    for (const [org, name] of [
      [2, "second"],
      [3, "third"],
      [4, "fourth"],
    ] as const)
      await insertReport(report("net_slow|SLOW"), { org, name });
    const first = await withRules();
    assert.equal(first.code, 0, first.stdout + first.stderr);
    assert.deepEqual(
      (await topics.received.takeAll()).map((message) => message.cluster),
      ["fourth"],
    );

    await aggregator.pool.query("update cluster_rule_toggle set disabled = 0; delete from rule_disable");
    assert.equal((await withRules()).code, 0);
    const enabled = (await topics.received.takeAll()).map((message) => message.cluster);
    assert.deepEqual(enabled.sort(), [cluster, "second"].sort());
    await aggregator.pool.query("insert into rule_disable values ('4', 'pkg.net_slow', 'SLOW', '')");
    await database.pool.query("truncate reported");
    assert.equal((await withRules()).code, 0);
    assert.equal((await topics.received.takeAll()).length, 2);
    assert.equal(await passes(settings, "--ignore-disabled-rules"), 1, "the fourth");
  });
});

describe("exit codes", () => {
  const nowhere = "127.0.0.1:1";
  const cases: [string, number, string[], () => Record<string, string>, RegExp?][] = [
    ["a pass that is not asked for", 1, [], kafkaOn, /Type of report needs to be specified on command line/],
    [
      "no destination",
      1,
      ["--instant-reports"],
      () => ({
        ...section("KAFKA_BROKER", { enabled: "false" }),
        ...section("SERVICE_LOG", { enabled: "false" }),
      }),
      /No known event destination configured\. Aborting\./,
    ],
    [
      "two destinations",
      1,
      ["--instant-reports"],
      () => ({ ...kafkaOn(), ...section("SERVICE_LOG", { enabled: "true" }) }),
      /both enabled/,
    ],
    [
      "a database that is away",
      3,
      ["--instant-reports", "--ignore-disabled-rules"],
      () => ({ ...kafkaOn(), ...section("STORAGE", { pg_port: "1" }) }),
    ],
    [
      "a database whose host nobody resolves",
      3,
      ["--instant-reports", "--ignore-disabled-rules"],
      () => ({ ...kafkaOn(), ...section("STORAGE", { pg_host: "nowhere.invalid" }) }),
    ],
    [
      "a content service whose host nobody resolves",
      4,
      ["--instant-reports", "--ignore-disabled-rules"],
      () => ({ ...kafkaOn(), ...section("DEPENDENCIES", { content_server: "nowhere.invalid:8082" }) }),
    ],
    [
      "a broker whose host nobody resolves",
      5,
      ["--instant-reports", "--ignore-disabled-rules"],
      () => ({ ...kafkaOn(), ...section("KAFKA_BROKER", { addresses: "nowhere.invalid:9092" }) }),
    ],
    [
      "a token service whose host nobody resolves",
      11,
      ["--instant-reports", "--ignore-disabled-rules"],
      () => ({
        ...serviceLogOn(),
        ...section("SERVICE_LOG", { token_url: "https://nowhere.invalid/token" }),
      }),
    ],
    [
      "an aggregator's database whose host nobody resolves",
      12,
      ["--instant-reports"],
      () => ({ ...kafkaOn(), ...section("AGGREGATOR_STORAGE", { pg_host: "nowhere.invalid" }) }),
    ],
    [
      "a content service that is away",
      4,
      ["--instant-reports", "--ignore-disabled-rules"],
      () => ({ ...kafkaOn(), ...section("DEPENDENCIES", { content_server: nowhere }) }),
    ],
    [
      "a content service whose address is none",
      1,
      ["--instant-reports", "--ignore-disabled-rules"],
      () => ({ ...kafkaOn(), ...section("DEPENDENCIES", { content_server: "no address:8082/api/v1" }) }),
    ],
    [
      "a broker that is away",
      5,
      ["--instant-reports", "--ignore-disabled-rules"],
      () => ({ ...kafkaOn(), ...section("KAFKA_BROKER", { addresses: nowhere }) }),
    ],
    ["an age that is none", 8, ["--new-reports-cleanup", "--max-age=soon"], kafkaOn],
    [
      "a listing without a database",
      8,
      ["--print-old-reports-for-cleanup"],
      () => section("STORAGE", { pg_port: "1" }),
    ],
    [
      "a filter that cannot be read",
      10,
      ["--instant-reports", "--ignore-disabled-rules"],
      () => ({ ...kafkaOn(), ...section("KAFKA_BROKER", { event_filter: "totalRisk >=" }) }),
    ],
    [
      "no token",
      11,
      ["--instant-reports", "--ignore-disabled-rules"],
      () => ({ ...serviceLogOn(), ...section("SERVICE_LOG", { token_url: `http://${nowhere}/token` }) }),
    ],
    [
      "the aggregator's database is away",
      12,
      ["--instant-reports"],
      () => ({ ...kafkaOn(), ...section("AGGREGATOR_STORAGE", { pg_host: "127.0.0.1", pg_port: "1" }) }),
    ],
    [
      "a value that is none",
      1,
      ["--show-configuration"],
      () => section("KAFKA_BROKER", { enabled: "perhaps" }),
    ],
    ["an unknown flag", 2, ["--weekly"], kafkaOn],
    ["a pass that is done", 0, ["--instant-reports", "--ignore-disabled-rules"], kafkaOn, /service finished/],
  ];
  const program = new URL("../../bin/ccx-notification-service.js", import.meta.url).pathname;
  for (const [nth, [name, code, args, env, text]] of cases.entries())
    test(`${code}: ${name}`, async () => {
      // of each code the first as a process of its own
      const isFirst = cases.findIndex(([, other]) => other === code) === nth;
      const ended = isFirst
        ? await finished([program, ...args], { ...environment(), ...env() })
        : await run(args, env());
      assert.equal(ended.code, code, ended.stdout + ended.stderr);
      if (text) assert.match(ended.stdout, text);
      assert.doesNotMatch(ended.stdout + ended.stderr, /\n +at |test-secret/);
    });
});

test("a pass waits for the end of an adoption, with exit code 3", async () => {
  await insertReport(both);
  for (const [mode, command] of [
    ["adopting", "ccx adopt"],
    ["leaving", "ccx adopt --undo"],
  ]) {
    await database.pool.query("update side_by_side set mode = $1", [mode]);
    try {
      const { code, stdout } = await onePass();
      assert.equal(code, 3, stdout);
      assert.equal(said(stdout, `${command} has not ended`), 1);
    } finally {
      await database.pool.query("update side_by_side set mode = 'together'");
    }
  }
  assert.deepEqual(await reported(), []);
});

test("of several operations the first in their list is done, and no other", async () => {
  const operations: [flag: string, says: RegExp][] = [
    ["show-version", /^Notification service version 1\.0$/m],
    ["show-authors", /^Pavel Tisnovsky, Papa Bakary Camara, Red Hat Inc\.$/m],
    ["show-configuration", /"Broker configuration"/],
    ["print-new-reports-for-cleanup", /FROM new_reports .*PrintReportsForCleanup operation/],
    ["new-reports-cleanup", /Cleanup `new_reports` finished/],
    ["print-old-reports-for-cleanup", /FROM reported .*PrintReportsForCleanup operation/],
    ["old-reports-cleanup", /Cleanup `reported` finished/],
    ["instant-reports", /Notification service finished/],
  ];
  for (const [nth, [flag, says]] of operations.entries()) {
    const [next, saysNext] = operations[nth + 1] ?? ["ignore-disabled-rules", /$^/];
    const { code, stdout, stderr } = await run([`-${next}`, `--${flag}`]);
    assert.equal(code, 0, `${flag}: ${stdout}${stderr}`);
    assert.match(stdout, says, flag);
    assert.doesNotMatch(stdout, saysNext, flag);
  }
});

describe("what ends by itself", () => {
  test("version, authors, help, and the configuration without secrets", async () => {
    assert.equal((await run(["-show-version"])).stdout, "Notification service version 1.0\n");
    assert.equal(
      (await run(["--show-authors=true"])).stdout,
      "Pavel Tisnovsky, Papa Bakary Camara, Red Hat Inc.\n",
    );
    const help = await run(["-h"]);
    assert.equal(help.code, 0);
    assert.deepEqual(
      [...help.stderr.matchAll(/^ {2}-(.+)/gm)].map(([, flag]) => flag),
      [
        ...["cleanup-on-startup", "ignore-disabled-rules", "instant-reports", "max-age string"],
        ...["new-reports-cleanup", "old-reports-cleanup", "print-new-reports-for-cleanup"],
        ...["print-old-reports-for-cleanup", "show-authors", "show-configuration", "show-version", "verbose"],
      ],
    );
    const { stdout, code } = await run(["--show-configuration"]);
    assert.equal(code, 0);
    assert.match(stdout, /"level":"debug".*"message":"Parsing configuration file"/);
    for (const block of ["Broker", "ServiceLog", "Storage", "Logging", "Notifications", "Metrics"])
      assert.match(stdout, new RegExp(`"message":"${block} configuration"`));
    assert.doesNotMatch(stdout, /test-secret/);
  });

  for (const [table, print, cleanUp] of [
    ["new_reports", "print-new-reports-for-cleanup", "new-reports-cleanup"],
    ["reported", "print-old-reports-for-cleanup", "old-reports-cleanup"],
  ] as const)
    test(`old rows of ${table} are listed and deleted`, async () => {
      await insertReport("", { at: "'1990-01-01'" });
      await database.pool.query(
        `insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
           notified_at, error_log, event_type_id)
         values (1, 7, '${cluster}', 1, 1, '', '1990-01-01', '1990-01-01', '', 1)`,
      );
      const listed = await run([`--${print}`]);
      assert.match(listed.stdout, new RegExp(`FROM ${table} .*"max age":"90 days"`));
      assert.equal(said(listed.stdout, `Old report from \`${table}\` table`), 1);
      const none = await run([`--${print}`, "--max-age", "100 years"]);
      assert.equal(said(none.stdout, "Old report from"), 0);
      const deleted = await run([`--${cleanUp}`]);
      assert.equal(said(deleted.stdout, `Cleanup \`${table}\` finished`), 1);
      assert.equal((await database.pool.query(`select from ${table}`)).rowCount, 0);
    });

  test("a clean-up before the pass", async () => {
    await insertReport("", { at: "'1990-01-01'" });
    const { code, stdout } = await onePass(kafkaOn(), "--cleanup-on-startup", "--verbose");
    assert.equal(code, 0);
    for (const table of ["new_reports", "reported"])
      assert.equal(said(stdout, `Cleanup \`${table}\` finished`), 1);
    assert.equal(said(stdout, "Broker configuration"), 1);
    assert.equal((await database.pool.query("select from new_reports")).rowCount, 0);
  });
});

describe("metrics of a pass", () => {
  test("are pushed under the incumbent's names, into a group for the target", async () => {
    const pushes: { method: string; url: string; headers: IncomingHttpHeaders; body: string }[] = [];
    let failures = 1;
    await using gateway = await serving(async (request, response) => {
      const { method = "", url = "", headers } = request;
      pushes.push({ method, url, headers, body: await text(request) });
      response.writeHead(failures-- > 0 ? 500 : 200).end();
    });
    await insertReport(both);
    await insertReport(report("net_slow|GONE"), { name: "another" });
    const sent = await passes({
      ...kafkaOn(),
      ...section("METRICS", {
        gateway_url: gateway.address,
        gateway_auth_token: "dG9rZW4=",
        retry_after: "1ms",
        subsystem: "notification_backend",
      }),
    });
    assert.equal(sent, 1);
    assert.equal(pushes.length, 2);
    const { method, url, headers, body } = pushes[1] ?? { method: "", url: "", headers: {}, body: "" };
    assert.deepEqual(
      [method, url],
      ["PUT", "/metrics/job/ccx_notification_service/target/notifications_backend"],
    );
    assert.equal(headers.authorization, "Basic dG9rZW4=");
    const prefix = "ccx_notification_service_notification_backend";
    for (const [name, value] of Object.entries({
      report_with_high_impact: 2,
      notification_sent: 1,
      notification_not_sent_same_state: 1,
      notification_not_sent_error_state: 0,
      fetch_content_errors: 0,
      read_cluster_list_errors: 0,
      read_reported_errors: 0,
      producer_setup_errors: 0,
      storage_setup_errors: 0,
      read_report_for_cluster_errors: 0,
      deserialize_report_errors: 0,
      total_risk_no_severity: 0,
      service_status: 6,
    }))
      assert.match(body, new RegExp(`^${prefix}_${name} ${value}$`, "m"), name);
    assert.match(
      body,
      new RegExp(`^${prefix}_operation_duration_seconds_count{operation="fetch_content"} 1$`, "m"),
    );
    assert.match(body, /^ccx_deliver_attempts_total\{target="notifications backend",outcome="sent"\} \d+$/m);
  });

  test("of two jobs, one for each target, do not overwrite each other", async () => {
    const groups: string[] = [];
    await using gateway = await serving((request, response) => {
      groups.push(String(request.url));
      request.resume().on("end", () => response.end());
    });
    await insertReport(both);
    const pushing = section("METRICS", { gateway_url: gateway.address, gateway_auth_token: "x" });
    for (const target of [kafkaOn(), serviceLogOn()]) {
      const { code, stdout, stderr } = await onePass({ ...target, ...pushing });
      assert.equal(code, 0, stdout + stderr);
    }
    await topics.received.takeAll();
    newEntries();
    const job = "/metrics/job/ccx_notification_service/target";
    assert.deepEqual([...new Set(groups)], [`${job}/notifications_backend`, `${job}/service_log`]);
  });

  test("are pushed by a pass that fails, too; a gateway that is away fails none", async () => {
    const bodies: string[] = [];
    await using gateway = await serving(async (request, response) => {
      bodies.push(await text(request));
      response.end();
    });
    const pushing = { gateway_auth_token: "x", retries: "0" };
    const failed = await onePass({
      ...kafkaOn(),
      ...section("METRICS", { ...pushing, gateway_url: gateway.address }),
      ...section("DEPENDENCIES", { content_server: "127.0.0.1:1" }),
    });
    assert.equal(failed.code, 4);
    assert.match(String(bodies[0]), /fetch_content_errors 1$/m);
    await passes({ ...kafkaOn(), ...section("METRICS", { ...pushing, gateway_url: "127.0.0.1:1" }) });
  });
});
