import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { glob, statfs } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { startGuard } from "../dev/stack/guard.ts";
import { startStack } from "../dev/stack/stack.ts";
import { migrate } from "../src/db/migrate.ts";
import { ConfigurationError } from "../src/errors.ts";
import { createLogger } from "../src/log.ts";

/**
 * These folders hold the files that take longest, up to 45 s each on a busy machine. They start first, so
 * that no long file is left for the end.
 */
const longest = [
  ...["chaos", "bench", "e2e", "adopt", "trace", "db", "roles", "console", "fleet", "cli", "analyze"],
  ...["compat", "metrics", "decide"],
];

/**
 * Folders and files that take minutes of processor time, and that only few changes can break. `npm run
 * test:slow` runs them, `npm test` all others.
 */
const slow = [
  "test/adopt/adopt_large.test.ts", // 200,000 rows in each table, there and back
  "test/adopt/check.test.ts", // what is said of databases of every kind
  "test/adopt/steps.test.ts", // adoptions that are interrupted between two steps
  "test/analyze/pipeline.test.ts", // every way of an upload, one after the other
  "test/analyze/refused.test.ts", // services for each class of bad input
  "test/analyze/killed.test.ts", // services that are killed at each step
  "test/cell/adopt_cell.test.ts", // databases that are copied, and services that start
  "test/console/hostile.test.ts", // each page with each column hostile, in a browser
  "test/console/hostile_forms.test.ts", // each field of each form with each hostile text
  "test/console/manners.test.ts", // each page by keyboard, on a phone, light and dark
  "test/chaos/chaos.test.ts", // every kind of fault once, on servers of its own
  "test/dev/npm.test.ts", // stacks that start and end
  "test/dev/stack.test.ts",
  "test/explain/backtest_property.test.ts", // random histories, replayed
  "test/explain/explain_property.test.ts",
  "test/adopt/operations.test.ts", // databases that are made and dropped, again and again
  "test/compat/aggregator.test.ts", // services of the third command, as processes
  "test/compat/service_large.test.ts", // one pass over 20,000 clusters
  "test/compat/service.test.ts", // passes of a whole service, and commands as processes
  "test/compat/writer.test.ts",
  "test/content/render/renderer_hostile.test.ts", // templates that run to their limits
  "test/db/load_code_changes.test.ts", // databases that are brought in step, again and again
  "test/deliver/heals.test.ts", // circuits and leases, each to its end
  "test/dev/deployment.test.ts", // images and templates as they would be deployed
  "test/db/graphile_migrate.test.ts", // every command of graphile-migrate, as a process
  "test/e2e/backpressure.test.ts", // services under load, or several of them
  "test/e2e/broker_away.test.ts",
  "test/e2e/workloads.test.ts",
  "test/e2e/circuit.test.ts",
  "test/e2e/database_away.test.ts", // outages to the end of their back-offs
  "test/e2e/decisions.test.ts",
  "test/e2e/demo.test.ts",
  "test/e2e/group.test.ts",
  "test/e2e/inflation.test.ts",
  "test/e2e/kafka_ahead.test.ts",
  "test/e2e/killed_worker.test.ts",
  "test/e2e/leader_away.test.ts", // three brokers of its own
  "test/e2e/many.test.ts",
  "test/e2e/service_log_absent.test.ts",
  "test/e2e/stop.test.ts", // stops that wait to their limit, one after the other
  "test/e2e/upload.test.ts", // uploads of 100 MB, and services that are killed
  "test/explain/backtest.test.ts", // weeks, replayed under each policy
  "test/fleet/questions.test.ts", // several databases asked through another one
  "test/kafka/secured.test.ts", // a broker of its own for each way to log in
  "test/metrics/alerts_fire.test.ts", // every alert, by promtool; test/metrics/faults has the expressions
].map((name) => path.normalize(name));

/** What the tests have of data at the same time is less than half of it. */
const leastRoom = 4 * 1024 ** 3;

const isSlow = (file: string) => slow.some((name) => file === name || file.startsWith(name + path.sep));

/** The test files in these folders, and these files; every test file that is not slow when nothing is given. */
async function testFiles(given: string[]): Promise<string[]> {
  const found: string[] = [];
  const names = given[0] === "--slow" ? slow : given;
  for (const name of names.length > 0 ? names : ["test"]) {
    if (!existsSync(name)) throw new ConfigurationError(`There is no file or folder ${name}.`);
    if (!statSync(name).isDirectory()) found.push(name);
    else found.push(...(await Array.fromAsync(glob(path.join(name, "**/*.test.ts")))).sort());
  }
  if (found.length === 0) throw new ConfigurationError(`There is no *.test.ts in ${given.join(", ")}.`);
  const rank = (file: string) => {
    const place = longest.findIndex((folder) => file.split(path.sep).includes(folder));
    return place < 0 ? longest.length : place;
  };
  const wanted = names.length > 0 ? found : found.filter((file) => !isSlow(file));
  return [...new Set(wanted)].toSorted((a, b) => rank(a) - rank(b));
}

/**
 * A folder in memory, where there is one with room for the data of the tests: they make and drop some 350
 * databases of 700 files each, and a file system that is careful with files which were just removed (ext4)
 * takes longer for each database than the one before.
 */
async function folderInMemory(): Promise<string | undefined> {
  const folder = "/dev/shm";
  const found = await statfs(folder).catch(() => undefined);
  return found && found.bavail * found.bsize >= leastRoom ? folder : undefined;
}

/**
 * Runs the tests (all, or those of the files and folders given) on one embedded stack. A database is migrated
 * once and serves as the template of the others: test/support/database.ts. The tests run in a process group
 * of their own, which a guard ends with this process, so that a runner that is killed leaves no test and no
 * service behind.
 */
async function main(given: string[]): Promise<number> {
  const files = await testFiles(given);
  const guard = startGuard();
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => stop.abort(new Error(signal)));
  const stack = await startStack({
    databaseUrl: process.env.DATABASE_URL,
    kafkaBrokers: process.env.KAFKA_BROKERS,
    within: await folderInMemory(),
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

    const { DATABASE_URL: _, KAFKA_BROKERS: __, ...env } = process.env;
    const child = spawn(process.execPath, [path.join(import.meta.dirname, "run_files.ts"), ...files], {
      detached: true,
      stdio: "inherit",
      env: {
        ...env,
        TEST_DATABASE_URL: stack.databaseUrl,
        TEST_DATABASE_TEMPLATE: template,
        TEST_KAFKA_BROKERS: stack.kafkaBrokers,
        NODE_COMPILE_CACHE: path.join(import.meta.dirname, "../node_modules/.cache/test"),
      },
    });
    if (child.pid !== undefined) guard.watch(child.pid, "SIGTERM");
    const ended = once(child, "exit").then(([code]) => Number(code ?? 1));
    const stopped = once(stop.signal, "abort").then(() => 1);
    return await (stop.signal.aborted ? 1 : Promise.race([ended, stopped]));
  } finally {
    await guard.end();
    const made = await server.query<{ datname: string }>(
      "select datname from pg_database where starts_with(datname, $1)",
      [template],
    );
    for (const { datname } of made.rows) await server.query(`drop database ${datname} with (force)`);
    await server.end();
    await stack.stop();
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof ConfigurationError ? error.message : error);
  process.exitCode = 1;
}
