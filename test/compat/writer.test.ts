import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import kafkajs from "kafkajs";
import { finished, runProgram } from "../support/command.ts";
import { openDatabase, testDatabase } from "../support/database.ts";
import { openTopics, type TestTopics } from "../support/kafka.ts";
import { cleanEnvironment } from "../support/service.ts";
import { until } from "../support/until.ts";

const database = testDatabase();
let topics: TestTopics;
before(async () => {
  topics = await openTopics();
});
after(() => topics[Symbol.asyncDispose]());

function variables(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`CCX_NOTIFICATION_WRITER__${name}`, value]),
  );
}

function environment(url = database.url): Record<string, string> {
  const { hostname, port, pathname, username } = new URL(url);
  return variables({
    STORAGE__DB_DRIVER: "postgres",
    STORAGE__PG_HOST: hostname,
    STORAGE__PG_PORT: port,
    STORAGE__PG_DB_NAME: pathname.slice(1),
    STORAGE__PG_USERNAME: username,
    STORAGE__PG_PARAMS: "sslmode=disable",
    BROKER__ADDRESSES: topics.brokers,
    BROKER__TOPIC: topics.results,
    BROKER__GROUP: topics.group,
  });
}

const program = new URL("../../bin/ccx-notification-writer.js", import.meta.url).pathname;
const run = (args: string[], more: Record<string, string> = {}) =>
  runProgram("ccx-notification-writer", args, { ...environment(), ...variables(more) });

const count = async (table: string) =>
  Number((await database.pool.query(`select count(*) from ${table}`)).rows[0]?.count);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const cluster = "5d5892d4-2g85-4ccf-02bg-548dfc9767aa";
const addOld = async () => {
  await database.pool.query(`truncate new_reports, reported, read_errors`);
  await database.pool.query(
    `insert into new_reports (org_id, account_number, cluster, report, updated_at, kafka_offset) values
       (1, 10, '${cluster}', '', '1990-01-01', 1), (2, 20, 'other', '{"reports":[]}', now(), 2)`,
  );
  await database.pool.query(
    `insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
       notified_at, error_log, event_type_id) values
       (1, 10, '${cluster}', 1, 1, '', '1990-01-01', '1990-01-01', '', 1),
       (2, 20, 'other', 1, 1, '', '2990-01-01', '2990-01-01', '', 1)`,
  );
};

/** Every flag but --max-age, the first in force first, with what it says. */
const operations: [flag: string, says: RegExp][] = [
  ["version", /^CCX Notification Writer version 1\.0$/m],
  ["authors", /^Pavel Tisnovsky, Red Hat Inc\.$/m],
  ["show-configuration", /"Broker configuration"/],
  ["check-kafka", /Connection to Kafka OK/],
  ["db-init", /Database is initialized/],
  ["db-cleanup", /Database is cleaned up/],
  ["db-drop-tables", /Tables are dropped/],
  ["db-init-migration", /Migration information is initialized/],
  ["print-new-reports-for-cleanup", /FROM new_reports .*PrintReportsForCleanup operation/],
  ["new-reports-cleanup", /Cleanup `new_reports` finished/],
  ["print-old-reports-for-cleanup", /FROM reported .*PrintReportsForCleanup operation/],
  ["old-reports-cleanup", /Cleanup `reported` finished/],
  ["print-read-errors-for-cleanup", /FROM read_errors .*PrintReportsForCleanup operation/],
  ["read-errors-cleanup", /Cleanup `read_errors` finished/],
  ["migration-info", /Maximum available version/],
  ["migrate=8", /Database is migrated/],
  ["truncate-old-reports", /Table `reported` is truncated/],
];

test("of several operations the first in their list is done, and no other", async () => {
  await using empty = await openDatabase({ empty: true });
  for (const [nth, [flag, says]] of operations.entries()) {
    const [next, saysNext] = operations[nth + 1] ?? ["max-age=1 day", /$^/];
    const args = [`-${next}`, `--${flag}`];
    const { code, stdout, stderr } = await runProgram(
      "ccx-notification-writer",
      args,
      environment(empty.url),
    );
    assert.equal(code, 0, `${args.join(" ")}: ${stdout}${stderr}`);
    assert.match(stdout, says, args.join(" "));
    assert.doesNotMatch(stdout, saysNext, args.join(" "));
  }
});

test("what keeps it from consuming, or from what is asked, is the exit code of its process", async () => {
  await using empty = await openDatabase({ empty: true });
  await using theirs = await openDatabase({ empty: true });
  await theirs.pool.query("create table new_reports (org_id integer)");
  await using taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const login = {
    BROKER__SECURITY_PROTOCOL: "SASL_PLAINTEXT",
    BROKER__SASL_USERNAME: "ccx",
    BROKER__SASL_PASSWORD: "hunter4",
  };
  for (const [name, url, more, code, says, ...args] of [
    ["no broker", database.url, { BROKER__ADDRESSES: "" }, 2, /broker\.addresses names no broker/],
    [
      "a broker's address that is none",
      database.url,
      { BROKER__ADDRESSES: "a b" },
      1,
      /broker\.addresses: .* has to be a list of host:port/,
    ],
    [
      "a login that no broker asks for",
      database.url,
      login,
      2,
      /asks for no login .*CCX_KAFKA_SASL_MECHANISM/,
    ],
    ["no tables", empty.url, {}, 5, /has not been migrated/],
    ["tables of theirs", theirs.url, {}, 5, /take it over with `ccx adopt` first/],
    ["an address that is taken", database.url, { METRICS__ADDRESS: `127.0.0.1:${port}` }, 1, /EADDRINUSE/],
    [
      "a check without a broker",
      database.url,
      { BROKER__ADDRESSES: "127.0.0.1:1" },
      4,
      /to Kafka/,
      "-check-kafka",
    ],
    ["a version that is none", database.url, {}, 7, /there is no version/, "-migrate=abc"],
    ["no consumer wanted", database.url, { BROKER__ENABLED: "false" }, 0, /not consuming/],
  ] as [string, string, Record<string, string>, number, RegExp, ...string[]][]) {
    const ended = await finished([program, ...args], {
      ...environment(url),
      ...variables({ BROKER__ENABLED: "true", METRICS__ADDRESS: "127.0.0.1:0", ...more }),
    });
    assert.equal(ended.code, code, `${name}: ${ended.stdout}${ended.stderr}`);
    assert.match(ended.stdout + ended.stderr, says, name);
    assert.doesNotMatch(ended.stdout + ended.stderr, /hunter|\n +at /, name);
  }
});

describe("what ends by itself", () => {
  test("version, authors and help are as scripts look for them, with one dash or two", async () => {
    for (const flag of ["-version", "--version", "--version=true"]) {
      const { code, stdout } = await run([flag]);
      assert.deepEqual([code, stdout], [0, "CCX Notification Writer version 1.0\n"]);
    }
    assert.equal((await run(["-authors"])).stdout, "Pavel Tisnovsky, Red Hat Inc.\n");
    const help = await run(["--help"]);
    assert.equal(help.code, 0);
    assert.match(help.stderr, /^Usage of ccx-notification-writer:\n {2}-authors\n {4}\tshow authors\n/);
    assert.deepEqual(
      [...help.stderr.matchAll(/^ {2}-(\S+)/gm)].map(([, flag]) => flag),
      [...operations.map(([flag]) => flag.split("=")[0]), "max-age"].toSorted(),
    );
    assert.match(help.stderr, /\n {2}-migrate string\n {4}\tset database version\n {2}-migration-info\n/);
    assert.match(help.stderr, /\n {2}-max-age string\n {4}\tmax age for displaying\/cleaning old records\n/);
    for (const wrong of [["--nope"], ["-version=maybe"], ["--max-age"], ["---version"]]) {
      const { code, stderr } = await run(wrong);
      assert.equal(code, 2, wrong.join(" "));
      assert.match(stderr, /Usage of ccx-notification-writer:/);
    }
    // the first of several operations counts, and what is no flag ends them
    assert.match((await run(["-authors", "-version"])).stdout, /version 1\.0/);
    assert.match((await run(["-version", "migrate", "--nope"])).stdout, /version 1\.0/);
  });

  test("the configuration is shown in four blocks, without passwords", async () => {
    const { code, stdout } = await run(["-show-configuration"], {
      STORAGE__PG_PASSWORD: "hunter2",
      BROKER__SASL_PASSWORD: "hunter3",
    });
    assert.equal(code, 0);
    for (const block of ["Broker", "Storage", "Logging", "Metrics"])
      assert.match(stdout, new RegExp(`"message":"${block} configuration"`));
    assert.doesNotMatch(stdout, /hunter/);
  });

  test("a disabled broker ends it with code 0, a broker that does not answer with code 4", async () => {
    const disabled = await run([], { BROKER__ENABLED: "false" });
    assert.equal(disabled.code, 0, disabled.stderr);
    assert.match(disabled.stdout, /Broker is disabled/);
    assert.equal((await run(["-check-kafka"])).code, 0);
    for (const addresses of ["127.0.0.1:1", "nowhere.invalid:9092"])
      assert.equal((await run(["-check-kafka"], { BROKER__ADDRESSES: addresses })).code, 4, addresses);
  });

  test("a database that is away, or whose host nobody resolves, is code 5, or 7 where it is to be migrated", async () => {
    for (const where of [{ STORAGE__PG_PORT: "1" }, { STORAGE__PG_HOST: "nowhere.invalid" }])
      for (const [flag, code] of [
        ["-db-init", 5],
        ["-old-reports-cleanup", 5],
        ["-migration-info", 7],
        ["-migrate=latest", 7],
      ] as const) {
        const ended = await run([flag], where);
        assert.equal(ended.code, code, `${flag} ${JSON.stringify(where)}: ${ended.stdout}${ended.stderr}`);
        assert.doesNotMatch(ended.stdout + ended.stderr, /\n +at /);
      }
  });

  test("wrong configuration is code 1, whatever is asked", async () => {
    const wrong = await run(["-migration-info"], { METRICS__ADDRESS: "nowhere" });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /metrics\.address has to be host:port/);
    const driver = await run(["-migration-info"], { STORAGE__DB_DRIVER: "sqlite3" });
    assert.equal(driver.code, 1);
    assert.match(driver.stderr, /storage\.db_driver has to be postgres/);
  });
});

describe("old rows", () => {
  for (const [table, print, cleanUp] of [
    ["new_reports", "print-new-reports-for-cleanup", "new-reports-cleanup"],
    ["reported", "print-old-reports-for-cleanup", "old-reports-cleanup"],
    ["read_errors", "print-read-errors-for-cleanup", "read-errors-cleanup"],
  ] as const) {
    test(`those of ${table} are listed, then deleted; newer ones stay`, async () => {
      await addOld();
      const before = await count(table);
      const listed = await run([`-${print}`, "--max-age=10 days"]);
      assert.equal(listed.code, 0, listed.stderr);
      assert.match(listed.stdout, /PrintReportsForCleanup operation/);
      assert.match(listed.stdout, new RegExp(`FROM ${table} `));
      assert.match(listed.stdout, /"max age":"10 days"/);
      const lines = listed.stdout.split("\n").filter((line) => line.includes("Old report from"));
      assert.equal(lines.length, 1);
      const line = JSON.parse(lines[0] ?? "");
      assert.equal(line.message, `Old report from \`${table}\` table`);
      assert.equal(line["Organization ID"], 1);
      assert.equal(line["Account number"], table === "read_errors" ? 0 : 10);
      assert.equal(line["Cluster name"], cluster);
      assert.equal(line["Updated at"], "1990-01-01T00:00:00Z");
      assert.ok(line.Age > 13_000);
      assert.equal(await count(table), before);

      const deleted = await run([`--${cleanUp}`, "-max-age", "10 days"]);
      assert.equal(deleted.code, 0, deleted.stderr);
      assert.match(deleted.stdout, /Cleanup operation for all organizations/);
      assert.match(deleted.stdout, new RegExp(`"Rows deleted":1,"message":"Cleanup \`${table}\` finished"`));
      assert.equal(await count(table), before - 1);
    });
  }

  test("a bad age is code 5, and the default is seven days", async () => {
    assert.equal((await run(["-old-reports-cleanup", "-max-age=soon"])).code, 5);
    assert.match((await run(["-print-old-reports-for-cleanup"])).stdout, /"max age":"7 days"/);
  });

  test("somebody who reads the table is not waited for", async () => {
    await addOld();
    const reader = await database.pool.connect();
    try {
      await reader.query("begin; select count(*) from new_reports; select count(*) from reported");
      assert.equal((await run(["-new-reports-cleanup"])).code, 0);
      assert.equal((await run(["-old-reports-cleanup"])).code, 0);
    } finally {
      await reader.query("rollback");
      reader.release();
    }
  });

  test("reported is truncated, all rows are cleaned up", async () => {
    await addOld();
    assert.equal((await run(["-truncate-old-reports"])).code, 0);
    assert.equal(await count("reported"), 0);
    assert.equal(await count("new_reports"), 2);
    assert.equal((await run(["-db-cleanup"])).code, 0);
    assert.equal(await count("new_reports"), 0);
    assert.equal(await count("states"), 4, "the rows that other programs know stay");
  });
});

test("tables are made, described and dropped; a version that is none is a mistake", async () => {
  await using empty = await openDatabase({ empty: true });
  const at = (args: string[]) => runProgram("ccx-notification-writer", args, environment(empty.url));
  const exists = async () =>
    (await empty.pool.query("select to_regclass('public.new_reports') as it")).rows[0]?.it !== null;
  const info = await at(["-migration-info"]);
  assert.equal(info.code, 0);
  assert.match(info.stdout, /"Current version":0/);
  assert.match(info.stdout, /"Maximum version":8/);
  const steps: [string[], number, boolean][] = [
    [["-migrate", "abc"], 7, false],
    [["-migrate", "9"], 7, false],
    [["-db-init-migration"], 0, true],
    [["-db-init"], 0, true],
    [["--migrate=latest"], 0, true],
    [["-migrate", "8"], 0, true],
    [["-migrate", "0"], 0, true],
    [["-db-drop-tables"], 0, false],
    [["-db-drop-tables"], 0, false],
    [["-old-reports-cleanup"], 5, false],
    [["-db-init"], 0, true],
  ];
  for (const [args, code, isThere] of steps) {
    const ended = await at(args);
    assert.equal(ended.code, code, `${args.join(" ")}: ${ended.stdout}${ended.stderr}`);
    assert.equal(await exists(), isThere, args.join(" "));
  }
  assert.match((await at(["-migration-info"])).stdout, /"Current version":8/);
});

test("without a flag it consumes, serves the incumbent's counters, and writes statuses to the tracker", async () => {
  await database.pool.query(`truncate new_reports, reported, read_errors`);
  const tracker = `platform.payload-status.${topics.group}`;
  const kafka = new kafkajs.Kafka({ brokers: topics.brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: tracker, numPartitions: 1 }], waitForLeaders: true });
  const statuses: Record<string, string>[] = [];
  const consumer = kafka.consumer({ groupId: `of.${tracker}` });
  await consumer.connect();
  await consumer.subscribe({ topic: tracker, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => void statuses.push(JSON.parse(String(message.value))),
  });

  const message = (more: object) =>
    JSON.stringify({
      OrgID: 1,
      AccountNumber: 2,
      ClusterName: "11111111-2222-4333-8444-555555555555",
      LastChecked: "2026-01-01T00:00:00Z",
      Version: 2,
      Report: { system: {}, fingerprints: [], info: [], reports: [], other: "kept" },
      ...more,
    });
  await topics.produce([
    message({ RequestId: "first" }),
    message({ RequestId: "second", OrgID: "wrong" }),
    message({ RequestId: "third", LastChecked: "2990-01-01T00:00:00Z" }),
    message({ RequestId: "" }),
    "no JSON",
  ]);
  const port = await freePort();
  let child: ChildProcess | undefined;
  try {
    child = spawn(process.execPath, [program], {
      env: cleanEnvironment({
        ...environment(),
        ...variables({
          BROKER__ENABLED: "true",
          METRICS__NAMESPACE: "notification_writer",
          METRICS__ADDRESS: `127.0.0.1:${port}`,
          TRACKER__TOPIC: tracker,
          TRACKER__SERVICE_NAME: "the writer",
        }),
      }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout?.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr?.on("data", (chunk) => {
      output += chunk;
    });
    await until("the messages are consumed", async () => {
      const { rows } = await database.pool.query("select next_offset from consumer_offset where topic = $1", [
        topics.results,
      ]);
      if (child?.exitCode !== null) assert.fail(output);
      return Number(rows[0]?.next_offset) === 5;
    });
    await until("all statuses are there", () => statuses.length >= 7);
    const scraped = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const bytes = '{"reports":[],"other":"kept"}'.length * 2;
    for (const [name, value] of Object.entries({
      consumed_messages: 5,
      consuming_errors: 3,
      parse_incoming_message: 3,
      check_schema_version: 3,
      marshal_report: 3,
      shrink_report: 3,
      check_last_checked_timestamp: 2,
      stored_messages: 2,
      stored_bytes: bytes,
    }))
      assert.match(scraped, new RegExp(`^notification_writer_${name} ${value}$`, "m"), scraped);
    assert.match(scraped, /^ccx_ingest_messages_total\{stream="results",outcome="rejected"\} 3$/m);
    const exitCode = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await exitCode, [0, null], output);
    assert.deepEqual(statuses.map(({ request_id, status }) => `${request_id} ${status}`).sort(), [
      ...["first processed", "first received", "first success"],
      ...["second error", "second processed", "third error", "third processed"],
    ]);
    for (const { service, date = "" } of statuses) {
      assert.equal(service, "the writer");
      assert.match(date, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    }
    assert.equal(
      (await database.pool.query("select report from new_reports")).rows[0]?.report,
      '{"reports":[],"other":"kept"}',
    );
  } finally {
    child?.kill("SIGKILL");
    await consumer.disconnect();
    await admin.deleteTopics({ topics: [tracker] });
    await admin.disconnect();
  }
});
