import path from "node:path";
import type { Pool } from "pg";
import type { Config } from "../../config/config.ts";
import { ConfigurationError, messageOf } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import { Ended, endingWith } from "../ended.ts";
import { type Flags, parseFlags, Usage } from "../flags.ts";
import type { Given } from "../sources.ts";
import { writerFlags } from "./flags.ts";

/** How long clean-ups leave rows alone unless --max-age says otherwise. */
const defaultMaxAge = "7 days";

/**
 * The command ccx-notification-writer: consumes results, or does one operation on the database. Sets the exit
 * code: 0 done, 1 configuration, 2 command line or consumer, 4 Kafka, 5 database, 7 migration. What only some
 * of it needs is imported there.
 */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const flags = parseFlags(path.basename(argv[1] ?? "", ".js"), writerFlags, argv.slice(2));
    if (flags.has("version")) console.log("CCX Notification Writer version 1.0");
    else if (flags.has("authors")) console.log("Pavel Tisnovsky, Red Hat Inc.");
    else await run(flags);
  } catch (error) {
    process.exitCode = report(error);
  }
}

async function run(flags: Flags): Promise<void> {
  const [{ incumbentLogger }, { readIncumbent }, { flagOf, ourConfig }, { logConfiguration }] =
    await Promise.all([
      import("../log.ts"),
      import("../sources.ts"),
      import("../translate.ts"),
      import("../configuration.ts"),
    ]);
  const given = readIncumbent("writer", process.env);
  const config = ourConfig("writer", given, process.env);
  const log = incumbentLogger(config.logLevel, {
    pretty: flagOf(given, "logging.debug"),
    stderr: flagOf(given, "logging.use_stderr"),
  });
  for (const note of given.notes) log.info(note);
  try {
    if (flags.has("show-configuration")) return logConfiguration("writer", given, log);
    if (flags.has("check-kafka")) return await checkKafka(config, log);
    if (await operates(flags, config, log)) return;
    if (!flagOf(given, "broker.enabled")) {
      log.info("Broker is disabled, not consuming");
      return;
    }
    await consume(given, config, log);
  } catch (error) {
    if (error instanceof Ended)
      log.error(error.cause === undefined ? {} : { error: messageOf(error.cause) }, error.message);
    throw error;
  }
}

function brokersOf({ kafkaBrokers }: Config): readonly string[] {
  if (kafkaBrokers === undefined) throw new ConfigurationError("broker.addresses names no broker.");
  return kafkaBrokers;
}

/** Whether a broker answers, with the login and TLS that are configured. */
async function checkKafka(config: Config, log: Logger): Promise<void> {
  const kafkaBrokers = brokersOf(config);
  const { createKafka } = await import("../../kafka/client.ts");
  const admin = createKafka({ ...config, kafkaBrokers }, log, 1).admin();
  await endingWith(4, "Unable to connect to Kafka", async () => {
    try {
      await admin.connect();
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  });
  log.info({ brokers: kafkaBrokers }, "Connection to Kafka OK");
}

/** Does the first operation on the database that is asked for; false when none is. */
async function operates(flags: Flags, config: Config, log: Logger): Promise<boolean> {
  const maxAge = flags.text("max-age") || defaultMaxAge;
  const wanted = flags.text("migrate");
  const asked = [
    ...["db-init", "db-cleanup", "db-drop-tables", "db-init-migration"],
    ...["print-new-reports-for-cleanup", "new-reports-cleanup", "print-old-reports-for-cleanup"],
    ...["old-reports-cleanup", "print-read-errors-for-cleanup", "read-errors-cleanup", "migration-info"],
    ...["migrate", "truncate-old-reports"],
  ].find((name) => (name === "migrate" ? wanted !== "" : flags.has(name)));
  if (asked === undefined) return false;
  const [{ createPool, endPool }, { deleteOldRows, printOldRows }, adopted] = await Promise.all([
    import("../../db/pool.ts"),
    import("../cleanup.ts"),
    import("../../adopt/operations.ts"),
  ]);
  const { databaseUrl } = config;
  if (databaseUrl === undefined) throw new ConfigurationError("storage.pg_host names no database.");
  const pool: Pool = createPool({ databaseUrl, size: 3, name: "ccx-notification-writer", log });
  const operations: Record<string, () => Promise<void>> = {
    "db-init": async () => {
      await adopted.initTables(pool, log);
      log.info("Database is initialized");
    },
    "db-init-migration": async () => {
      await adopted.initMigrations(pool, log);
      log.info("Migration information is initialized");
    },
    "db-cleanup": async () => {
      await adopted.emptyDatabase(pool);
      log.info("Database is cleaned up");
    },
    "db-drop-tables": async () => {
      await adopted.dropTables(pool);
      log.info("Tables are dropped");
    },
    "print-new-reports-for-cleanup": () => printOldRows(pool, "new_reports", maxAge, log),
    "new-reports-cleanup": () => deleteOldRows(pool, "new_reports", maxAge, log),
    "print-old-reports-for-cleanup": () => printOldRows(pool, "reported", maxAge, log),
    "old-reports-cleanup": () => deleteOldRows(pool, "reported", maxAge, log),
    "print-read-errors-for-cleanup": () => printOldRows(pool, "read_errors", maxAge, log),
    "read-errors-cleanup": () => deleteOldRows(pool, "read_errors", maxAge, log),
    "migration-info": async () => {
      const { current, latest } = await adopted.migrationInfo(pool);
      log.info({ "Current version": current }, "Current database version");
      log.info({ "Maximum version": latest }, "Maximum available version");
    },
    migrate: async () => {
      await adopted.migrateTo(pool, wanted);
      log.info({ version: wanted }, "Database is migrated");
    },
    "truncate-old-reports": async () => {
      await adopted.truncateOldReports(pool);
      log.info("Table `reported` is truncated");
    },
  };
  const code = asked.startsWith("migrat") ? 7 : 5;
  try {
    await endingWith(code, `the operation ${asked} failed`, async () => operations[asked]?.());
  } finally {
    await endPool(pool);
  }
  return true;
}

/** Consumes until it is asked to stop: our service, in the part that takes reports in. */
async function consume(given: Given, config: Config, log: Logger): Promise<void> {
  await endingWith(2, "the consumer cannot be created", () => brokersOf(config));
  const [
    { run: runService },
    { addIncumbentCounters },
    { registry },
    { textOf },
    { asConfigurationError },
    { ConnectionRefused },
  ] = await Promise.all([
    import("../../run.ts"),
    import("./metrics.ts"),
    import("../../metrics/registry.ts"),
    import("../translate.ts"),
    import("../../db/errors.ts"),
    import("../../kafka/kafka_errors.ts"),
  ]);
  addIncumbentCounters(registry, textOf(given, "metrics.namespace"));
  const stopping = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const)
    process.once(name, () => {
      stopping.abort(new Error(`stopped by ${name}`));
      setTimeout(() => process.exit(), stopWithinMs).unref();
    });
  const onFailure = () => void setTimeout(() => process.exit(), stopWithinMs).unref();
  try {
    await runService(["consume"], config, log, stopping.signal, onFailure);
  } catch (error) {
    if (stopping.signal.aborted) return;
    if (asConfigurationError(error) || isAboutDatabase(error))
      throw new Ended(5, "the database cannot be used", error);
    const isRefused = error instanceof ConnectionRefused || !(error instanceof ConfigurationError);
    throw new Ended(isRefused ? 2 : 1, "the consumer cannot go on", error);
  }
}

/** What is cut off is done again by the next one. */
const stopWithinMs = 9_000;

const isAboutDatabase = (error: unknown): boolean =>
  error instanceof ConfigurationError && /\bdatabase\b/i.test(error.message);

/** Says what went wrong where the log has not said it; returns the exit code. */
function report(error: unknown): number {
  if (error instanceof Usage) {
    console.error(error.message);
    return error.code;
  }
  if (error instanceof Ended) return error.code;
  if (error instanceof ConfigurationError) {
    for (const line of error.message.split("\n")) console.error(`ccx-notification-writer: ${line}`);
    return 1;
  }
  console.error(error);
  return 2;
}
