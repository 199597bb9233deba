import { setFlagsFromString } from "node:v8";
import { Command } from "commander";
import { addAckCommands } from "./cli/ack.ts";
import { addAdoptCommands } from "./cli/adopt.ts";
import { addAnalyzeCommands } from "./cli/analyze.ts";
import { addCellCommands } from "./cli/cell.ts";
import { addCircuitCommands } from "./cli/circuit.ts";
import { addContentCommands } from "./cli/content.ts";
import { createContext, withoutWaiting } from "./cli/context.ts";
import { addDeliveryCommands } from "./cli/delivery.ts";
import { addDoctorCommand } from "./cli/doctor.ts";
import { addExplainCommands } from "./cli/explain.ts";
import { addFleetCommands } from "./cli/fleet.ts";
import { addForgetCommand } from "./cli/forget.ts";
import { addPolicyCommands } from "./cli/policy.ts";
import { addRegistryCommands } from "./cli/registry.ts";
import { addRejectedCommands } from "./cli/rejected.ts";
import { addRetentionCommands } from "./cli/retention.ts";
import { addRolesCommands } from "./cli/roles.ts";
import { addSilenceCommands } from "./cli/silence.ts";
import { addStatusCommand } from "./cli/status.ts";
import { isStop, stopSignal } from "./cli/stop.ts";
import { addStormCommands } from "./cli/storm.ts";
import { addStuckCommands } from "./cli/stuck.ts";
import { addSurveyCommands } from "./cli/survey.ts";
import { addTokenCommands } from "./cli/token.ts";
import { addTraceCommand } from "./cli/trace.ts";
import { addUploadCommands } from "./cli/upload.ts";
import { withItsOption } from "./cli/which_option.ts";
import { describeConfig, requireKeys } from "./config/config.ts";
import { ContentError } from "./content/source/error.ts";
import { asConfigurationError, asRefusal } from "./db/errors.ts";
import { requireSession } from "./db/server.ts";
import { ConfigurationError } from "./errors.ts";
import type { Logger } from "./log.ts";
import type { Role } from "./run/parts.ts";
import { release } from "./version.ts";

/**
 * How long a service that cannot go on may take to end; what it has in hand is done again by the next one.
 */
const endWithinMs = 5_000;

/**
 * How long a service that is asked to stop may take, whatever hangs: orchestrators wait for ten seconds or
 * more before they kill. Each part has a limit of its own; this one is for the sum, and for the unforeseen.
 */
const stopWithinMs = 8_500;

/** How long connections that nobody uses any more may keep the process once everything has ended. */
const afterStopMs = 1_000;

/** What is cut off is done again: offsets, leases and jobs are in the database. */
const endWithin = (ms: number, log: Logger) => {
  setTimeout(() => {
    log.warn("something hangs, ending without it; nothing is lost");
    process.exit();
  }, ms).unref();
};

/**
 * Whatever still holds it (a client that waits for its server): an orchestrator starts only what has ended.
 */
const endSoon = () => {
  setTimeout(() => process.exit(1), endWithinMs).unref();
};

/**
 * The command `ccx`. Sets the exit code: 0 done, 1 not done. What a person has to change is one line on
 * stderr; only a fault of ours comes with a stack trace.
 */
export async function main(argv: string[]): Promise<void> {
  failWhereOutputCannotGo();
  // before the options, which it would be suggested in place of
  if (argv[2] === "--version") {
    console.log(release);
    return;
  }
  let running: Command | undefined;
  const program = createProgram((command) => {
    running = command;
  });
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error, running);
  }
}

/**
 * Every command with its options: the table of contents of what `ccx` can do. What only some commands need is
 * imported by them, since it took a person's `ccx explain` longer to load the service than to answer.
 * `onCommand` hears of a command before it runs.
 */
export function createProgram(onCommand: (command: Command) => void = () => {}): Command {
  const program = new Command("ccx")
    .description(
      "Notifies OpenShift customers of new issues of their clusters; every decision is made in PostgreSQL.",
    )
    .option("--config <file>", "file with KEY=value lines; the environment goes before it")
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "ccx: ")) })
    .addHelpText("after", "\nccx --version prints the release.")
    .showHelpAfterError("(ccx --help lists the commands)")
    .hook("preAction", (_, command) => onCommand(command));

  const context = createContext(() => program.opts<{ config?: string }>().config);

  const service = (name: string, roles: Role[], description: string) =>
    program
      .command(name)
      .description(description)
      .action(async () => {
        const { config, log } = context.config();
        const signal = stopSignal(log);
        signal.addEventListener("abort", () => endWithin(stopWithinMs, log));
        keepMemorySmall();
        const { run } = await import("./run.ts");
        await run(roles, config, log, signal, endSoon).catch((error) => {
          if (!isStop(error, signal)) throw error;
        });
        endWithin(afterStopMs, log);
      });
  service("run", ["analyze", "consume", "work", "serve"], "run everything in one process");
  service("consume", ["consume"], "only take reports in");
  service("work", ["work"], "only decide and deliver");
  service("serve", ["serve"], "only answer over HTTP");
  addAnalyzeCommands(service("analyze", ["analyze"], "only run rules on uploaded archives"), context);

  program
    .command("migrate")
    .description("bring the database up to date; waits while another one does")
    .option("--code-only", "only functions, views and triggers: what sql/ has; for graphile-migrate")
    .option("--with-roles", "also the roles of the database, with their rights and policies")
    .option("--wait <seconds>", "give up when the database does not answer for so long (it waits for ever)")
    .action(async ({ codeOnly, withRoles, wait }: { codeOnly?: true; withRoles?: true; wait?: string }) => {
      if (wait !== undefined && !/^\d{1,6}$/.test(wait))
        throw new ConfigurationError("--wait has to be a number of seconds.");
      const { config, log } = context.config();
      requireKeys(config, ["databaseUrl"]);
      const { migrate } = await import("./db/migrate.ts");
      await migrate(config.databaseUrl, log, {
        codeOnly: codeOnly ?? false,
        withRoles: withRoles ?? false,
        waitSeconds: wait === undefined ? undefined : Number(wait),
      });
    });

  addStatusCommand(program, context);
  addContentCommands(program, context);
  addExplainCommands(program, context);
  addSilenceCommands(program, context);
  addStormCommands(program, context);
  addSurveyCommands(program, context);
  addStuckCommands(program, context);
  addAckCommands(program, context);
  addTokenCommands(program, context);
  addRegistryCommands(program, context);
  addPolicyCommands(program, context);
  addDeliveryCommands(program, context);
  addCircuitCommands(program, context);
  addCellCommands(program, context);
  addFleetCommands(program, context);
  addRejectedCommands(program, context);
  addRetentionCommands(program, context);
  addForgetCommand(program, context);
  addDoctorCommand(program, context);
  addTraceCommand(program, context);
  addUploadCommands(program, context);
  addAdoptCommands(program, context);
  addRolesCommands(program, context);

  program
    .command("tail")
    .description("print a line for each batch as it is ingested, decided and delivered; Ctrl-C ends it")
    .action(async () => {
      const { config, log } = context.config();
      requireKeys(config, ["databaseUrl"]);
      await context.withDatabase(requireSession); // or there would be nothing to hear
      const { tail } = await import("./cli/tail.ts");
      await tail(config.databaseUrl, console.log, stopSignal(log)).catch(withoutWaiting);
    });

  program
    .command("config")
    .description("print the configuration in force; secrets are left out")
    .option("--from-incumbent <file>", "what a file of ccx-notification-service or -writer says in our words")
    .action(async ({ fromIncumbent }: { fromIncumbent?: string }) => {
      if (fromIncumbent !== undefined) {
        const { translation } = await import("./compat/print_translation.ts");
        for (const line of translation(fromIncumbent)) console.log(line);
        return;
      }
      for (const line of describeConfig(context.config().config)) console.log(line);
    });

  return program;
}

/**
 * V8 lets its space for short-lived objects grow up to 64 MB while a service is busy, and gives none of it
 * back; and it lets garbage pile up until the rest is several times what is in use. Neither makes us faster
 * (docs/guides/reliability.md, "Memory").
 */
function keepMemorySmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--heap-growing-percent=150");
}

/**
 * A full disk behind stdout is a failure like any other, though console.log does not say so. Whoever reads
 * only the beginning of the output (`ccx explain | head`) has what he wanted.
 */
function failWhereOutputCannotGo(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") console.error(`ccx: the output could not be written: ${error.message}`);
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
}

/** Says what went wrong on stderr; returns the exit code. */
export function report(error: unknown, command?: Command): 1 {
  const forPeople =
    error instanceof ConfigurationError || error instanceof ContentError
      ? error
      : (asConfigurationError(error) ?? asRefusal(error));
  if (!forPeople) {
    console.error(error);
    return 1;
  }
  for (const line of withItsOption(forPeople.message, command).split("\n")) console.error(`ccx: ${line}`);
  return 1;
}
