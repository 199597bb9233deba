import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { runProgram } from "../support/command.ts";
import { openDatabase, type TestDatabase } from "../support/database.ts";
import { freePort } from "../support/free_port.ts";
import { openTopics, type TestTopics } from "../support/kafka.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { identityOf } from "../support/results_api.ts";
import { cleanEnvironment } from "../support/service.ts";
import { until } from "../support/until.ts";

const org = 11_789_772;

function environment(url: string, more: Record<string, string> = {}): Record<string, string> {
  const { hostname, port, pathname, username } = new URL(url);
  const values = {
    OCP_RECOMMENDATIONS_STORAGE__PG_HOST: hostname,
    OCP_RECOMMENDATIONS_STORAGE__PG_PORT: port,
    OCP_RECOMMENDATIONS_STORAGE__PG_DB_NAME: pathname.slice(1),
    OCP_RECOMMENDATIONS_STORAGE__PG_USERNAME: username,
    OCP_RECOMMENDATIONS_STORAGE__PG_PARAMS: "sslmode=disable",
    ...more,
  };
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`INSIGHTS_RESULTS_AGGREGATOR__${name}`, value]),
  );
}

const run = (args: string[], url: string, more: Record<string, string> = {}) =>
  runProgram("insights-results-aggregator", args, environment(url, more));

describe("what ends by itself", () => {
  const nowhere = "postgres://nobody@127.0.0.1:1/nothing";

  test("help, version and the names of variables are printed, a wrong command is code 2", async () => {
    for (const args of [["help"], ["print-help"], ["--help"]]) {
      const { code, stdout } = await run(args, nowhere);
      assert.equal(code, 0);
      assert.match(stdout, /^Usage of insights-results-aggregator/);
    }
    assert.match((await run(["print-version-info"], nowhere)).stdout, /^Version: \d/);
    const { stdout } = await run(["print-env"], nowhere, {
      OCP_RECOMMENDATIONS_STORAGE__PG_PASSWORD: "hunter2",
    });
    assert.match(stdout, /^INSIGHTS_RESULTS_AGGREGATOR__OCP_RECOMMENDATIONS_STORAGE__PG_PASSWORD$/m);
    assert.doesNotMatch(stdout, /hunter/);
    for (const args of [["nope"], ["start-service", "now"], ["migrate", "latest", "twice"]])
      assert.equal((await run(args, nowhere)).code, 2, args.join(" "));
  });

  test("wrong configuration is code 1, and so is what theirs can do and ours cannot", async () => {
    for (const [name, value, said] of [
      ["SERVER__ADDRESS", "nowhere", /server\.address has to be host:port/],
      ["SERVER__API_PREFIX", "no path", /server\.api_prefix: CCX_AGGREGATOR_PREFIX/],
      ["BROKER__ORG_ALLOWLIST_ENABLED", "true", /org_allowlist_enabled has to be false/],
      ["STORAGE_BACKEND__USE", "dvo_recommendations", /storage_backend\.use has to be/],
      ["OCP_RECOMMENDATIONS_STORAGE__DB_DRIVER", "sqlite3", /db_driver has to be postgres/],
    ] as const) {
      const { code, stderr } = await run(["migrate", "latest"], nowhere, { [name]: value });
      assert.equal(code, 1, name);
      assert.match(stderr, said);
    }
  });
});

describe("with an empty database", () => {
  let database: TestDatabase & AsyncDisposable;
  let topics: TestTopics;
  let child: ChildProcess | undefined;
  let output = "";
  before(async () => {
    [database, topics] = await Promise.all([openDatabase({ empty: true }), openTopics()]);
  });
  after(async () => {
    child?.kill("SIGKILL");
    await topics[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });

  test("migrate latest makes it, and it has version 32 of their schema; no other can be had", async () => {
    for (const version of ["31", "abc"])
      assert.equal((await run(["migrate", version], database.url)).code, 1, version);
    for (const args of [
      ["migrate", "latest"],
      ["migration", "32"],
    ]) {
      const { code, stdout, stderr } = await run(args, database.url);
      assert.equal(code, 0, stdout + stderr);
    }
    assert.match((await run(["migration"], database.url)).stdout, /"current":32/);
    const { rows } = await database.pool.query("select version from aggregator.migration_info");
    assert.deepEqual(rows, [{ version: 32 }]);
  });

  test("without an argument it serves below its prefix and consumes, with their metrics", async () => {
    const port = await freePort();
    const dead = topics.notifications;
    child = spawn(
      process.execPath,
      [new URL("../../bin/insights-results-aggregator.js", import.meta.url).pathname],
      {
        env: cleanEnvironment(
          environment(database.url, {
            BROKER__ENABLED: "true",
            BROKER__ADDRESSES: topics.brokers,
            BROKER__TOPIC: topics.results,
            BROKER__GROUP: topics.group,
            BROKER__DEAD_LETTER_QUEUE_TOPIC: dead,
            SERVER__ADDRESS: `127.0.0.1:${port}`,
            SERVER__API_PREFIX: "/their/v1/",
            SERVER__AUTH: "false",
            SERVER__DEBUG: "true",
            METRICS__NAMESPACE: "aggregator",
          }),
        ),
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk) => {
        output += chunk;
      });
    const ask = async (path: string, options: RequestInit = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}/their/v1${path}`, options);
      // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
      return { status: response.status, body: (await response.json().catch(() => undefined)) as any };
    };
    await until("it is there", () => {
      if (child?.exitCode !== null) assert.fail(output);
      return output.includes('"running"');
    });
    const cluster = aCluster();
    await topics.produce([aReport(cluster, ["bug"]), "no JSON"]);
    const report = `/organizations/${org}/clusters/${cluster}/users/u-1/report`;
    const answer = await until("the report is there", async () => {
      const found = await ask(report);
      return found.status === 200 ? found : undefined;
    });
    assert.ok(answer);
    assert.equal(answer.body.report.meta.count, 1);

    // an identity, where there is one, counts
    const as = (who: number) => ({ headers: { "x-rh-identity": identityOf(who) } });
    assert.equal((await ask(report, as(org))).status, 200);
    assert.equal((await ask(report, as(7))).status, 403);
    assert.equal((await ask(report, { headers: { "x-rh-identity": "nonsense" } })).status, 401);
    const ofNobody = await ask("/rules/users/u-1/disabled/feedback");
    assert.deepEqual([ofNobody.status, ofNobody.body], [401, { status: "Missing auth token" }]);

    const { component, key } = answer.body.report.reports[0];
    const issue = `/clusters/${cluster}/rules/${component}/error_key/${key}`;
    assert.equal((await ask(`${issue}/users/u-1/get_vote`, as(org))).status, 404);
    assert.equal((await ask(`${issue}/organizations/${org}/users/u-1/like`, { method: "PUT" })).status, 200);
    assert.deepEqual((await ask(`${issue}/users/u-1/get_vote`, as(org))).body, { status: "ok", vote: 1 });
    assert.equal((await ask(`${issue}/users/u-2/get_vote`, as(org))).status, 404);
    assert.deepEqual((await ask("/organizations", as(org))).body, { organizations: [org], status: "ok" });

    await until("the message that is none is noted", async () => {
      const { rows } = await database.pool.query("select next_offset::integer from consumer_offset");
      return rows[0]?.next_offset === 2;
    });
    await until("it is on the topic for dead letters, without a worker", async () => {
      const { rows } = await database.pool.query(
        "select reason, dead_lettered_at is not null as forwarded, dead_letter_due_at from rejected_message",
      );
      assert.equal(rows[0]?.reason, "not_json");
      return rows[0]?.forwarded && rows[0]?.dead_letter_due_at === null;
    });
    const scraped = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    for (const [name, value] of Object.entries({
      consumed_messages: 2,
      consuming_errors: 1,
      written_reports: 1,
      messages_with_empty_rule_execution_result: 0,
      produced_messages: 0,
      feedback_on_rules: 1,
      rating_on_rules: 0,
      successful_messages_processing_time_count: 1,
      failed_messages_processing_time_count: 1,
      last_checked_timestamp_lag_minutes_count: 1,
    }))
      assert.match(scraped, new RegExp(`^aggregator_${name} ${value}$`, "m"), name);
    for (const series of [
      'api_endpoints_requests{endpoint="/their/v1/organizations"} 1',
      'api_endpoints_response_time_count{endpoint="/their/v1/organizations"} 1',
      'api_endpoints_status_codes{status_code="403"} 1',
    ])
      assert.ok(scraped.includes(`\naggregator_${series}\n`), series);
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await exit, [0, null], output);
  });
});

test("without configuration for it, nothing of debugging is served, and nobody is asked without an identity", async () => {
  await using database = await openDatabase();
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [new URL("../../bin/insights-results-aggregator.js", import.meta.url).pathname, "start-service"],
    {
      env: cleanEnvironment(environment(database.url, { SERVER__ADDRESS: `127.0.0.1:${port}` })),
      stdio: "pipe",
    },
  );
  try {
    const url = `http://127.0.0.1:${port}/api/v1`;
    await until("it is there", () => fetch(`${url}/info`).catch(() => undefined));
    const nameless = await fetch(`${url}/organizations/${org}/clusters`);
    assert.deepEqual([nameless.status, await nameless.json()], [401, { status: "Missing auth token" }]);
    const headers = { "x-rh-identity": identityOf(org) };
    assert.equal((await fetch(`${url}/organizations/${org}/clusters`, { headers })).status, 200);
    assert.equal((await fetch(`${url}/organizations`, { headers })).status, 404);
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await exit, [0, null]);
  } finally {
    child.kill("SIGKILL");
  }
});
