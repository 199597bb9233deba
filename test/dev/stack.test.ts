import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Kafka, logLevel } from "kafkajs";
import pg from "pg";
import { isAlive } from "../../dev/stack/guard.ts";
import { type Stack, startStack } from "../../dev/stack/stack.ts";

const stackFile = path.join(import.meta.dirname, "../../dev/stack/stack.ts");

test("two stacks run side by side and each leaves nothing when stopped", async (t) => {
  const stacks = await Promise.all([startStack({ log: t.diagnostic.bind(t) }), startStack()]);
  t.after(() => Promise.all(stacks.map((stack) => stack.stop())));
  const [one, other] = stacks;
  assert.notEqual(one.databaseUrl, other.databaseUrl);
  assert.notEqual(one.kafkaBrokers, other.kafkaBrokers);

  for (const { databaseUrl } of stacks) {
    const client = new pg.Client(databaseUrl);
    await client.connect();
    const { rows } = await client.query(
      `select current_database(), current_setting('server_version_num')::int / 10000 as version,
              current_setting('TimeZone') as timezone, upper('é') as upper`,
    );
    assert.deepEqual(rows, [
      {
        current_database: "ccx",
        version: Number(process.env.CCX_STACK_POSTGRES ?? 18),
        timezone: process.env.CCX_STACK_TIMEZONE ?? "UTC",
        upper: "É",
      },
    ]);
    await client.end();
  }
  for (const { kafkaBrokers } of stacks) assert.equal(await throughKafka(kafkaBrokers, "hello"), "hello");

  await Promise.all([one.stop(), one.stop()]);
  assertGone(one);
  assert.ok(isAlive(other.pids.kafka ?? 0) && isAlive(other.pids.postgres ?? 0));
  await other.stop();
  assertGone(other);
});

test("what is given is used as it is", async () => {
  const given = { databaseUrl: "postgres://elsewhere/ccx", kafkaBrokers: "elsewhere:9092" };
  const { databaseUrl, kafkaBrokers, pids, stop } = await startStack(given);
  await stop();
  assert.deepEqual({ databaseUrl, kafkaBrokers }, given);
  assert.deepEqual(Object.keys(pids), ["guard"]);
});

// Kafka takes seconds to start, and the guard ends it as it ends PostgreSQL: once is enough
const postgresAlone = JSON.stringify({ kafkaBrokers: "elsewhere:9092" });
for (const [how, options, code, end] of [
  [
    "is killed with kill -9",
    "{}",
    "setInterval(() => {}, 1000)",
    (child: ChildProcess) => child.kill("SIGKILL"),
  ],
  ["throws", postgresAlone, "setTimeout(() => { throw new Error('on purpose') })", () => {}],
  ["ends without stopping it", postgresAlone, "", () => {}],
] as const)
  test(`a process that ${how} leaves nothing of its stack`, async (t) => {
    const script = `
      import { startStack } from ${JSON.stringify(stackFile)};
      const { stop, ...stack } = await startStack(${options});
      process.stdout.write(JSON.stringify(stack) + "\\n", () => { ${code} });`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    t.after(() => child.kill("SIGKILL"));
    const [line] = await once(child.stdout.setEncoding("utf8"), "data");
    const stack: Stack = JSON.parse(line);
    end(child);
    await until(() => isGone(stack), 10_000);
    await until(() => child.exitCode !== null || child.signalCode !== null, 1_000);
  });

test("npm run stack tells where it is and ends with Ctrl-C", async (t) => {
  const child = spawn(process.execPath, [stackFile], {
    stdio: ["ignore", "pipe", "pipe"],
    env: environment(),
  });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  for await (const line of createInterface({ input: child.stdout })) {
    output += `${line}\n`;
    if (line.startsWith("psql ")) break;
  }
  const [, port] = /^export DATABASE_URL=postgres:\/\/dev@127\.0\.0\.1:(\d+)\/ccx$/m.exec(output) ?? [];
  assert.ok(port, output);
  assert.match(output, /^export KAFKA_BROKERS=127\.0\.0\.1:\d+$/m);
  assert.match(output, /^psql postgres:/m);
  child.kill("SIGINT");
  assert.deepEqual(await once(child, "exit"), [0, null]);
  const socket = createConnection(Number(port), "127.0.0.1");
  await assert.rejects(once(socket, "connect"), { code: "ECONNREFUSED" });
});

test("without Java, with an old one or without Maven, one line says what to do", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-stack-test-"));
  t.after(() => rm(folder, { recursive: true }));
  const run = async (javaVersion?: string) => {
    const javaHome = path.join(folder, javaVersion ?? "none");
    await mkdir(path.join(javaHome, "bin"), { recursive: true });
    if (javaVersion) {
      const java = path.join(javaHome, "bin", "java");
      await writeFile(java, `#!/bin/sh\necho 'openjdk version "${javaVersion}"' >&2\n`);
      await chmod(java, 0o755);
    }
    const env = {
      ...environment(),
      PATH: folder,
      JAVA_HOME: javaVersion && javaHome,
      XDG_CACHE_HOME: folder,
    };
    const child = spawn(process.execPath, [stackFile], { stdio: ["ignore", "ignore", "pipe"], env });
    const [output, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    assert.equal(code, 1);
    return output;
  };
  assert.match(await run(), /^Kafka needs Java, .*: install Java 17\+ and Maven, or set KAFKA_BROKERS.*\n$/);
  assert.match(
    await run("11.0.2"),
    /^Kafka needs Java 17 or newer, .* is 11: install .*or set KAFKA_BROKERS.*\n$/,
  );
  assert.match(await run("1.8.0_402"), /^Kafka needs Java 17 or newer, .* is 8: .*\n$/);
  assert.match(await run("17"), /\nMaven fetches Kafka, .*: install .*Maven, or set KAFKA_BROKERS.*\n$/);
});

/** Sends one message through a new topic and returns what a consumer group receives. */
async function throughKafka(brokers: string, value: string): Promise<string | undefined> {
  const kafka = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  const consumer = kafka.consumer({ groupId: "reader", maxWaitTimeInMs: 100 });
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "some-topic" }], waitForLeaders: true });
  await admin.disconnect();
  await producer.connect();
  await producer.send({ topic: "some-topic", messages: [{ value }] });
  await producer.disconnect();
  await consumer.connect();
  await consumer.subscribe({ topic: "some-topic", fromBeginning: true });
  const received = await new Promise<string | undefined>((resolve) => {
    void consumer.run({ eachMessage: async ({ message }) => resolve(message.value?.toString()) });
  });
  await consumer.disconnect();
  return received;
}

/** Ours, without what would make the stack use servers that run already. */
function environment(): NodeJS.ProcessEnv {
  const { DATABASE_URL: _, KAFKA_BROKERS: __, ...env } = process.env;
  return env;
}

function isGone({ pids, directory }: Stack): boolean {
  return !existsSync(directory) && !Object.values(pids).some(isAlive);
}

function assertGone(stack: Stack): void {
  assert.equal(existsSync(stack.directory), false);
  assert.deepEqual(Object.values(stack.pids).filter(isAlive), []);
}

async function until(condition: () => boolean, limitMs: number): Promise<void> {
  for (const limit = Date.now() + limitMs; !condition(); await sleep(20))
    assert.ok(Date.now() < limit, `not within ${limitMs} ms: ${condition}`);
}
