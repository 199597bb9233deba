import { spawn } from "node:child_process";
import { glob } from "node:fs/promises";
import pg from "pg";
import { startStack } from "../dev/stack/stack.ts";
import { migrate } from "../src/db/migrate.ts";
import { createLogger } from "../src/log.ts";

/**
 * Runs the tests (all, or the files given) on one embedded stack. A database is migrated once and serves as the
 * template of the others: test/support/database.ts.
 */
const stack = await startStack({
  databaseUrl: process.env.DATABASE_URL,
  kafkaBrokers: process.env.KAFKA_BROKERS,
  log: (line) => console.error(line),
});
const template = `ccx_template_${process.pid}`;
const server = new pg.Client({ connectionString: stack.databaseUrl });
try {
  await server.connect();
  await server.query(`create database ${template}`);
  const templateUrl = new URL(stack.databaseUrl);
  templateUrl.pathname = template;
  await migrate(templateUrl.href, createLogger("warn"));

  const given = process.argv.slice(2);
  const files = given.length > 0 ? given : (await Array.fromAsync(glob("test/**/*.test.ts"))).sort();
  const { DATABASE_URL: _, KAFKA_BROKERS: __, ...env } = process.env;
  const child = spawn(process.execPath, ["--test", "--test-concurrency=2", ...files], {
    stdio: "inherit",
    env: {
      ...env,
      TEST_DATABASE_URL: stack.databaseUrl,
      TEST_DATABASE_TEMPLATE: template,
      TEST_KAFKA_BROKERS: stack.kafkaBrokers,
    },
  });
  process.exitCode = await new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? 1)));
} finally {
  await server.query(`drop database if exists ${template}`);
  await server.end();
  await stack.stop();
}
