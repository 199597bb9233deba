import path from "node:path";
import type { Pool } from "pg";
import { ConfigurationError, messageOf } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import { Ended, endingWith } from "../ended.ts";
import { type Flags, parseFlags, Usage } from "../flags.ts";
import type { Given } from "../sources.ts";
import { serviceFlags } from "./flags.ts";

/**
 * The command ccx-notification-service: one pass with --instant-reports, or a clean-up. Sets the exit code:
 * 0 done, 1 configuration, 2 command line, 3 database, 4 rule content, 5 Kafka, 8 clean-up, 10 event filter,
 * 11 Service Log, 12 the aggregator's database. What only some of it needs is imported there.
 */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const flags = parseFlags(path.basename(argv[1] ?? "", ".js"), serviceFlags, argv.slice(2));
    if (flags.has("show-version")) console.log("Notification service version 1.0");
    else if (flags.has("show-authors")) console.log("Pavel Tisnovsky, Papa Bakary Camara, Red Hat Inc.");
    else await run(flags);
  } catch (error) {
    process.exitCode = await report(error);
  }
}

async function run(flags: Flags): Promise<void> {
  const [{ incumbentLogger }, { readIncumbent }, { flagOf, ourConfig, textOf }, { logConfiguration }] =
    await Promise.all([
      import("../log.ts"),
      import("../sources.ts"),
      import("../translate.ts"),
      import("../configuration.ts"),
    ]);
  // as theirs: before the configuration says how much is logged
  incumbentLogger("debug").debug(
    { "config file": process.env.CCX_NOTIFICATION_SERVICE_CONFIG_FILE ?? "" },
    "Parsing configuration file",
  );
  const given = readIncumbent("service", process.env);
  const config = ourConfig("service", given, process.env);
  const log = incumbentLogger(config.logLevel, {
    pretty: flagOf(given, "logging.debug"),
    stderr: flagOf(given, "logging.use_stderr") || flagOf(given, "logging.debug"),
  });
  for (const note of given.notes) log.info(note);
  if (flags.has("show-configuration")) return logConfiguration("service", given, incumbentLogger("info"));
  if (flags.has("verbose")) logConfiguration("service", given, log);
  const { createPool, endPool } = await import("../../db/pool.ts");
  const { databaseUrl } = config;
  if (databaseUrl === undefined) throw new ConfigurationError("storage.pg_host names no database.");
  const pool = createPool({ databaseUrl, size: 6, name: "ccx-notification-service", log });
  try {
    const maxAge = flags.text("max-age") || textOf(given, "cleaner.max_age");
    if (await cleansUp(flags, pool, maxAge, log)) return;
    if (!flags.has("instant-reports"))
      throw new Ended(1, "Type of report needs to be specified on command line");
    await pass(flags, given, { ...config, databaseUrl }, pool, maxAge, log);
  } catch (error) {
    logEnd(error, log);
    throw error;
  } finally {
    await endPool(pool);
  }
}

/** Does the first clean-up that is asked for; false when none is. */
async function cleansUp(flags: Flags, pool: Pool, maxAge: string, log: Logger): Promise<boolean> {
  const { deleteOldRows, printOldRows } = await import("../cleanup.ts");
  const operations = [
    ["print-new-reports-for-cleanup", printOldRows, "new_reports"],
    ["new-reports-cleanup", deleteOldRows, "new_reports"],
    ["print-old-reports-for-cleanup", printOldRows, "reported"],
    ["old-reports-cleanup", deleteOldRows, "reported"],
  ] as const;
  const asked = operations.find(([flag]) => flags.has(flag));
  if (!asked) return false;
  const [, operation, table] = asked;
  await endingWith(8, "the clean-up failed", () => operation(pool, table, maxAge, log));
  return true;
}

async function pass(
  flags: Flags,
  given: Given,
  config: import("./pass.ts").Pass["config"],
  pool: Pool,
  maxAge: string,
  log: Logger,
): Promise<void> {
  if (flags.has("cleanup-on-startup")) {
    const { deleteOldRows } = await import("../cleanup.ts");
    for (const table of ["new_reports", "reported"] as const)
      await endingWith(8, "the clean-up failed", () => deleteOldRows(pool, table, maxAge, log));
  }
  const { targetsOf } = await import("../translate.ts");
  const [target, another] = targetsOf(given);
  if (target === undefined) throw new Ended(1, "No known event destination configured. Aborting.");
  if (another !== undefined)
    throw new Ended(1, "Kafka and Service Log are both enabled; a pass has one event destination. Aborting.");
  const [{ runPass }, { PassMetrics }] = await Promise.all([import("./pass.ts"), import("./metrics.ts")]);
  const metrics = new PassMetrics(given, target, log);
  const signal = stopSignal();
  const ignoreDisabledRules = flags.has("ignore-disabled-rules");
  try {
    await runPass({ given, config, target, ignoreDisabledRules, pool, log, metrics, signal });
    log.info("Notification service finished");
  } finally {
    await metrics.end();
  }
}

/** A pass that is asked to stop finishes what it has in hand. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());
  return stopping.signal;
}

/** The last word of a pass that could not go on, in the log. */
function logEnd(error: unknown, log: Logger): void {
  if (!(error instanceof Ended)) return;
  const { cause, message } = error;
  log.error(cause === undefined ? {} : { error: messageOf(cause) }, message);
}

/** Says what went wrong where the log has not said it; returns the exit code. */
async function report(error: unknown): Promise<number> {
  if (error instanceof Usage) {
    console.error(error.message);
    return error.code;
  }
  if (error instanceof Ended) return error.code;
  if (error instanceof ConfigurationError) {
    for (const line of error.message.split("\n")) console.error(`ccx-notification-service: ${line}`);
    return 1;
  }
  console.error(error);
  return 3;
}
