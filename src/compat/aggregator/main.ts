import type { Config } from "../../config/config.ts";
import { ConfigurationError, messageOf } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { Role } from "../../run/parts.ts";
import { Ended, endingWith } from "../ended.ts";
import type { Given } from "../sources.ts";

const usage = `Usage of insights-results-aggregator: insights-results-aggregator [command]
  <EMPTY>              starts the service
  start-service        starts the service
  help                 prints help
  print-help           prints help
  print-config         prints the configuration
  print-env            prints the names of the environment's variables that count
  print-version-info   prints the version
  migration            prints the version of the aggregator's schema
  migration latest     brings the database to this release (also: migrate latest, migration 32)`;

/** The version of their schema that the views of the schema aggregator stand for. */
const schemaVersion = "32";

/**
 * The command insights-results-aggregator: answers the aggregator's paths, and where `broker.enabled`
 * says so consumes results and writes dead letters; or migrates. Sets the exit code: 0 done, 1 configuration,
 * the database or a failure of the service, 2 command line. What only some of it needs is imported there.
 */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    process.exitCode = await run(argv.slice(2));
  } catch (error) {
    process.exitCode = report(error);
  }
}

async function run([command = "start-service", ...args]: readonly string[]): Promise<number> {
  const name = command.replace(/^--?/, "");
  if (["help", "h", "print-help"].includes(name)) {
    console.log(usage);
    return 0;
  }
  const isMigration = ["migration", "migrations", "migrate"].includes(name);
  const known = ["start-service", "print-config", "print-env", "print-version-info"];
  const takes = isMigration ? 1 : 0;
  if ((!isMigration && !known.includes(name)) || args.length > takes) {
    console.error(`Unknown command: ${[command, ...args].join(" ")}\n${usage}`);
    return 2;
  }
  if (name === "print-version-info") {
    const { release } = await import("../../version.ts");
    console.log(`Version: ${release}`);
    return 0;
  }
  const [{ incumbentLogger }, { readIncumbent }, { flagOf, ourConfig }, { logConfiguration }, { programs }] =
    await Promise.all([
      import("../log.ts"),
      import("../sources.ts"),
      import("../translate.ts"),
      import("../configuration.ts"),
      import("../keys.ts"),
    ]);
  if (name === "print-env") {
    // without values: passwords are among them
    const { prefix } = programs.aggregator;
    for (const variable of Object.keys(process.env).sort())
      if (variable.startsWith(prefix) || variable === "ACG_CONFIG") console.log(variable);
    return 0;
  }
  const given = readIncumbent("aggregator", process.env);
  const config = ourConfig("aggregator", given, process.env);
  const log = incumbentLogger(config.logLevel, {
    pretty: flagOf(given, "logging.debug"),
    stderr: flagOf(given, "logging.use_stderr"),
  });
  for (const note of given.notes) log.info(note);
  try {
    if (name === "print-config") logConfiguration("aggregator", given, incumbentLogger("info"));
    else if (isMigration) await migrate(args[0], config, log);
    else await serve(given, config, log);
    return 0;
  } catch (error) {
    if (error instanceof Ended)
      log.error(error.cause === undefined ? {} : { error: messageOf(error.cause) }, error.message);
    throw error;
  }
}

/** Migrates the database; without a version, says which one it has. */
async function migrate(version: string | undefined, config: Config, log: Logger): Promise<void> {
  const { databaseUrl } = config;
  if (databaseUrl === undefined)
    throw new ConfigurationError("ocp_recommendations_storage.pg_host names no database.");
  if (version === undefined) {
    log.info({ current: Number(schemaVersion), maximum: Number(schemaVersion) }, "Version of the schema");
    return;
  }
  if (version !== "latest" && version !== schemaVersion)
    throw new Ended(
      1,
      `The database can only be migrated to ${schemaVersion} or latest: there is no way to ` +
        `${JSON.stringify(version.slice(0, 40))}.`,
    );
  const { migrate: migrateDatabase } = await import("../../db/migrate.ts");
  await endingWith(1, "the database cannot be migrated", () =>
    migrateDatabase(databaseUrl, log, { waitSeconds: 30 }),
  );
  log.info({ version: Number(schemaVersion) }, "Database is migrated");
}

/** Answers, and consumes where that is configured, until it is asked to stop. */
async function serve(given: Given, config: Config, log: Logger): Promise<void> {
  const [{ run: runService }, { flagOf, textOf }, { addAggregatorMetrics }, { registry }] = await Promise.all(
    [
      import("../../run.ts"),
      import("../translate.ts"),
      import("./metrics.ts"),
      import("../../metrics/registry.ts"),
    ],
  );
  addAggregatorMetrics(registry, textOf(given, "metrics.namespace"));
  const consumes = flagOf(given, "broker.enabled");
  const stopping = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => {
      stopping.abort(new Error(`stopped by ${signal}`));
      setTimeout(() => process.exit(), stopWithinMs).unref();
    });
  const onFailure = () => void setTimeout(() => process.exit(), stopWithinMs).unref();
  // what only answers never asks a broker
  const own = consumes ? config : { ...config, kafkaBrokers: config.kafkaBrokers ?? ["127.0.0.1:9092"] };
  try {
    const roles: Role[] = consumes ? ["serve", "consume", "forward"] : ["serve"];
    await runService(roles, own, log, stopping.signal, onFailure);
  } catch (error) {
    if (!stopping.signal.aborted) throw new Ended(1, "the service cannot go on", error);
  }
}

/** What is cut off is done again by the next one. */
const stopWithinMs = 9_000;

/** Says what went wrong where the log has not said it; returns the exit code. */
function report(error: unknown): number {
  if (error instanceof Ended) return error.code;
  if (error instanceof ConfigurationError)
    for (const line of error.message.split("\n")) console.error(`insights-results-aggregator: ${line}`);
  else console.error(error);
  return 1;
}
