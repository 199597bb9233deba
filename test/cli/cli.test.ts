import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import pg from "pg";
import { sampleContent } from "../../dev/samples/content.ts";
import { assertGivesUp, finished, runCcx, spawnCcx } from "../support/command.ts";
import { testDatabase } from "../support/database.ts";
import { startRefusingPostgres } from "../support/refusing_postgres.ts";
import { ccx } from "../support/service.ts";

const database = testDatabase();
const brokers = process.env.TEST_KAFKA_BROKERS;

/** The URL of the test's database, with something else in it. */
function urlWith(change: (url: URL) => void): string {
  const url = new URL(database.url);
  change(url);
  return url.href;
}

const commands = [["migrate"], ["content", "load", sampleContent], ["consume"], ["work"], ["run"]];

describe("what a person has to put right is said in one line, with exit code 1", {
  concurrency: 2,
}, () => {
  test("a wrong password", async () => {
    await using server = await startRefusingPostgres();
    const env = {
      DATABASE_URL: `postgres://ccx:hunter2@127.0.0.1:${server.port}/ccx`,
      KAFKA_BROKERS: brokers,
    };
    for (const command of commands) {
      const end = await runCcx(command, env);
      assertGivesUp(end, /^ccx: The database refused the user or password of DATABASE_URL\. \(.+\)$/);
      assert.doesNotMatch(end.stdout + end.stderr, /hunter2/, command.join(" "));
    }
  });

  test("an unknown user", async () => {
    const env = {
      DATABASE_URL: urlWith((url) => Object.assign(url, { username: "nobody", password: "hunter2" })),
    };
    const end = await runCcx(["migrate"], env);
    assertGivesUp(end, /^ccx: The database refused the user or password .*role "nobody" does not exist/);
    assert.doesNotMatch(end.stdout + end.stderr, /hunter2/);
  });

  test("an unknown database", async () => {
    const env = {
      DATABASE_URL: urlWith((url) => Object.assign(url, { pathname: "nowhere" })),
      KAFKA_BROKERS: brokers,
    };
    for (const command of commands)
      assertGivesUp(
        await runCcx(command, env),
        /^ccx: The database named in DATABASE_URL does not exist: create it/,
      );
  });

  test("a database that nobody migrated", async () => {
    const name = `ccx_unmigrated_${process.pid}`;
    await database.pool.query(`create database ${name}`);
    try {
      const env = {
        DATABASE_URL: urlWith((url) => Object.assign(url, { pathname: name })),
        KAFKA_BROKERS: brokers,
      };
      for (const command of commands.slice(1))
        assertGivesUp(
          await runCcx(command, env),
          /^ccx: The database has not been migrated .*: run `ccx migrate`\./,
        );
    } finally {
      await database.pool.query(`drop database ${name} with (force)`);
    }
  });

  test("a database that does not answer, where the command does not wait for it", async () => {
    const env = { DATABASE_URL: "postgres://ccx@127.0.0.1:1/ccx" };
    for (const command of [["tail"], ["content", "load", sampleContent]])
      assertGivesUp(
        await runCcx(command, env),
        /^ccx: The database of DATABASE_URL does not answer\. \(connect ECONNREFUSED 127\.0\.0\.1:1\)$/,
      );
  });

  test("a database without TLS that is to have it", async () => {
    const env = { DATABASE_URL: urlWith((url) => url.searchParams.set("sslmode", "require")) };
    for (const command of [["tail"], ["content", "load", sampleContent]])
      assertGivesUp(
        await finished(["--no-warnings", ccx, ...command], env), // pg has a long one about sslmode
        /^ccx: The database and DATABASE_URL do not agree on TLS: check sslmode\. \(.+\)$/,
      );
  });

  test("a malformed URL", async () => {
    for (const url of [
      "localhost/ccx",
      "postgres://ccx:hunter2@host:port/ccx",
      "mysql://ccx:hunter2@host/ccx",
    ]) {
      const end = await runCcx(["migrate"], { DATABASE_URL: url });
      assertGivesUp(
        end,
        /^ccx: DATABASE_URL has to be a URL such as postgres:\/\/user:password@host:5432\/database/,
      );
      assert.doesNotMatch(end.stdout + end.stderr, /hunter2/);
    }
  });

  test("a setting that is not there, with all that are missing", async () => {
    const end = await runCcx(["run"]);
    assertGivesUp(end, /^ccx: DATABASE_URL is not set\. /, /^ccx: KAFKA_BROKERS is not set\. /);
  });

  test("a key that does not exist, in the environment or in a file", async (t) => {
    const unknown = await runCcx(["config"], { CCX_BATCHSIZE: "10" });
    assertGivesUp(
      unknown,
      /^ccx: CCX_BATCHSIZE, in the environment, is not .* \(did you mean CCX_BATCH_SIZE\?\)\.$/,
    );

    const folder = await mkdtemp(join(tmpdir(), "ccx-cli-"));
    t.after(() => rm(folder, { recursive: true }));
    const file = join(folder, "ccx.env");
    await writeFile(file, "CCX_BATCH_SIZE=10\nCCX_COLOUR=red\nKAFKA_BROKER=a:1\n");
    const inFile = await runCcx(["--config", file, "config"]);
    assertGivesUp(
      inFile,
      /^ccx: CCX_COLOUR, in .*ccx\.env, is not a key/,
      /^ccx: KAFKA_BROKER, in .*did you mean/,
    );
    assertGivesUp(
      await runCcx(["--config", join(folder, "none"), "config"]),
      /^ccx: The configuration file .*none cannot be read/,
    );
  });

  test("a value that does not fit", async () => {
    const end = await runCcx(["config"], {
      CCX_BATCH_SIZE: "many",
      CCX_KAFKA_TLS: "maybe",
      KAFKA_BROKERS: "broker",
    });
    assertGivesUp(
      end,
      /^ccx: KAFKA_BROKERS has to be a list of host:port, .* but is "broker"\.$/,
      /^ccx: CCX_KAFKA_TLS has to be true or false, but is "maybe"\.$/,
      /^ccx: CCX_BATCH_SIZE has to be a whole number .*, but is "many"\.$/,
    );
    assertGivesUp(
      await runCcx(["config"], { CCX_DATABASE_POOL_SIZE: "1" }),
      /^ccx: CCX_DATABASE_POOL_SIZE has to be a whole number from 12 to 1000, but is "1"\.$/,
    );
  });

  test("rule content that is not there", async () => {
    const end = await runCcx(["content", "load", "no-such-folder"], { DATABASE_URL: database.url });
    assertGivesUp(end, /^ccx: content folder no-such-folder: does not exist$/);
  });

  test("a command that does not exist", async () => {
    const hint = /^\(ccx --help lists the commands\)$/;
    assertGivesUp(await runCcx(["juggle"]), /^ccx: unknown command 'juggle'$/, hint);
    assertGivesUp(await runCcx(["run", "--fast"]), /^ccx: unknown option '--fast'$/, hint);
    assertGivesUp(await runCcx(["content", "load"]), /^ccx: missing required argument 'dir'$/, hint);
  });

  test("a Node.js that is too old", async () => {
    const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.2" } });`;
    const old = ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`];
    assertGivesUp(
      await finished([...old, ccx, "config"]),
      /^ccx needs Node\.js 22\.18 or newer, but this is 20\.19\.2 \(.*\): install a newer one, or put it first in PATH\.$/,
    );
  });
});

test("migrating a migrated database does nothing, and two at once wait for each other", async () => {
  const name = `ccx_migrate_${process.pid}`;
  await database.pool.query(`create database ${name}`);
  const url = urlWith((it) => Object.assign(it, { pathname: name }));
  const client = new pg.Client({ connectionString: url });
  try {
    const env = { DATABASE_URL: url };
    const ends = await Promise.all([spawnCcx(["migrate"], env), spawnCcx(["migrate"], env)]);
    for (const end of ends) assert.deepEqual([end.code, end.stderr], [0, ""]);
    await client.connect();
    const sql = "select count(*)::integer as n from graphile_migrate.migrations";
    const before = (await client.query(sql)).rows;
    assert.equal((await runCcx(["migrate"], env)).code, 0);
    assert.deepEqual((await client.query(sql)).rows, before);
  } finally {
    await client.end();
    await database.pool.query(`drop database ${name} with (force)`);
  }
});

test("rule content is loaded once and then recognised", async () => {
  for (const said of [
    "17 added, 0 changed, 0 removed, 0 unchanged",
    "0 added, 0 changed, 0 removed, 17 unchanged",
  ]) {
    const { code, stdout, stderr } = await runCcx(["content", "load", sampleContent], {
      DATABASE_URL: database.url,
    });
    assert.deepEqual([code, stdout, stderr], [0, `${said}\n`, ""]);
  }
});

test("the configuration is shown without its secrets", async () => {
  const end = await runCcx(["config"], {
    DATABASE_URL: "postgres://ccx:hunter2@db.example.com/ccx?sslpassword=hunter2",
    CCX_SERVICE_LOG_URL: "https://log.example.com/",
    CCX_SERVICE_LOG_CLIENT_ID: "somebody",
    CCX_SERVICE_LOG_CLIENT_SECRET: "hunter2",
    CCX_KAFKA_SASL_MECHANISM: "plain",
    CCX_KAFKA_SASL_USERNAME: "kafka",
    CCX_KAFKA_SASL_PASSWORD: "hunter2",
  });
  assert.deepEqual([end.code, end.stderr], [0, ""]);
  assert.match(
    end.stdout,
    /^DATABASE_URL=postgres:\/\/ccx:\*\*\*@db\.example\.com\/ccx\?sslpassword=\*\*\*$/m,
  );
  assert.match(end.stdout, /^CCX_SERVICE_LOG_CLIENT_SECRET=\*\*\*$/m);
  assert.match(end.stdout, /^CCX_BATCH_SIZE=1000$/m);
  assert.doesNotMatch(end.stdout, /hunter2/);
});
