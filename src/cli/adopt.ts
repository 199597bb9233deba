import type { Command } from "commander";
import { requireKeys } from "../config/config.ts";
import { ConfigurationError } from "../errors.ts";
import { createLogger } from "../log.ts";
import { agreed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows, table, visible } from "./output.ts";

type Options = {
  check?: true;
  undo?: true;
  finish?: true;
  timeZone: string;
  cooldown: string;
  yes?: true;
  json?: true;
};

/**
 * `ccx adopt`, `ccx shadow`, `ccx compare`: taking the database of the notification writer over, going back,
 * and running beside the other service.
 */
export function addAdoptCommands(program: Command, context: Context): void {
  program
    .command("adopt")
    .description("take a database of the notification writer (schema version 8) over, or give it back")
    .option("--check", "change nothing, only print what would be done, with its locks and its room")
    .option("--undo", "give the old schema back, with everything that was added since")
    .option("--finish", "drop the old tables; nothing can be undone any more")
    .option("--time-zone <zone>", "zone of the times in the old tables", "UTC")
    .option("--cooldown <time>", "how far back what was sent may still be in its cooldown", "8 days")
    .option("--yes", "do not ask")
    .option("--json", "one JSON object")
    .action(async (options: Options) => {
      const chosen = [options.check, options.undo, options.finish].filter(Boolean).length;
      if (chosen > 1) throw new ConfigurationError("Give one of --check, --undo and --finish.");
      if (options.undo) await undone(context, options);
      else if (options.finish) await finished(context, options);
      else await adopted(context, options);
    });

  const shadow = program.command("shadow").description("run beside the other service without notifying");
  for (const [name, mode, description] of [
    ["on", "shadow", "ours decides and sends to its own topic; reported belongs to the other service"],
    ["off", "together", "what either service sends starts the cooldowns of both"],
  ] as const)
    shadow
      .command(name)
      .description(`${description}; exit code 3 when that was so`)
      .action(async () => {
        const { setSideBySide } = await import("../adopt/sql.ts");
        const { before, after } = await context.withDatabase((pool) => setSideBySide(pool, mode));
        console.log(before === after ? `It was ${after} already.` : `It is ${after} now, it was ${before}.`);
        if (before === after) process.exitCode = 3;
      });
  shadow
    .command("show")
    .description("which of both it is, and since when")
    .option("--json", "one JSON array")
    .action(async ({ json }: { json?: true }) => {
      const { sideBySideNow } = await import("../adopt/sql.ts");
      printRows([await context.withDatabase(sideBySideNow)], { json, empty: "" });
    });

  program
    .command("compare")
    .description("the issues that only one of the two services notified, and why; exit code 3: none")
    .requiredOption("--since <time>", "beginning of the period")
    .option("--until <time>", "its end", "now")
    .option("--json", "one JSON array")
    .action(async ({ since, until, json }: { since: string; until: string; json?: true }) => {
      const { compareNotifications } = await import("../adopt/sql.ts");
      const rows = await context.question((pool) => compareNotifications(pool, since, until));
      printRows(rows, { json, empty: "The two do not differ." });
      if (rows.length === 0) process.exitCode = 3;
    });
}

/** What the steps need; the database is not one of ours yet, so nothing of it can be asked before. */
function workOf(context: Context) {
  const { config } = context.config();
  requireKeys(config, ["databaseUrl"]);
  return { databaseUrl: config.databaseUrl, log: createLogger("warn") };
}

async function adopted(context: Context, { timeZone, cooldown, check, yes, json }: Options): Promise<void> {
  const { planOf } = await import("../adopt/plan.ts");
  const options = { timeZone, memory: cooldown };
  const plan = await context.withDatabase((pool) => planOf(pool, options));
  if (check || !json) printPlan(plan, json);
  if (plan.problems.length > 0) throw new ConfigurationError("It cannot be taken over as it is.");
  if (["nothing", "ours", "adopted"].includes(plan.phase)) {
    process.exitCode = 3;
    return;
  }
  if (check) return;
  await agreed(yes, "Take it over?", "A database is not taken over without a look at this.");
  const { adopt } = await import("../adopt/adopt.ts");
  const done = await adopt({ ...workOf(context), reached: progress() }, options);
  if (json) console.log(JSON.stringify(done));
  else
    console.log(
      `Taken over: the newest reports of ${done.reports} clusters, and ${done.sent} rows that were sent.\n` +
        "The old rows are in the schema incumbent; all_new_reports and all_reported there show both.",
    );
}

type Plan = Awaited<ReturnType<typeof import("../adopt/plan.ts").planOf>>;

const phases: Record<Plan["phase"], string> = {
  nothing: "There is nothing to take over: the database has no tables of the notification writer.",
  ours: "There is nothing to take over: the database is ours.",
  adopted: "The database is taken over already.",
  theirs: "These tables would be taken over:",
  begun: "An adoption was interrupted before it touched the old tables. It goes on with the step `build`.",
  swapped: "An adoption was interrupted while rows were copied. It goes on there.",
  leaving: "An adoption is being undone: finish that with --undo.",
};

function printPlan(plan: Plan, json: true | undefined): void {
  if (json) {
    console.log(JSON.stringify(plan));
    return;
  }
  console.log(phases[plan.phase]);
  for (const line of [...plan.problems, ...plan.remarks]) console.log(`* ${visible(line)}`);
  if (plan.tables.length === 0) return;
  const { carried } = plan;
  console.log(table(plan.tables.map(({ table: name, rows, bytes }) => ({ table: name, rows, bytes }))));
  console.log(
    `\nCopied: the newest report of ${carried.reports} clusters, and ${carried.sent} rows of what was sent ` +
      `within ${plan.memory}. All other rows stay as they are, in the schema incumbent.`,
  );
  console.log(`Room: about ${Math.ceil(plan.room / 1024 / 1024)} MB. Times are read as ${plan.timeZone}.\n`);
  console.log(table(plan.steps));
}

function progress(): (step: string) => void {
  let last = "";
  return (step) => {
    if (step !== last) console.error(`ccx: ${step}`);
    last = step;
  };
}

async function undone(context: Context, { yes, json }: Options): Promise<void> {
  await agreed(
    yes,
    "Give the old schema back, and drop policies, silences and everything else of ours?",
    "Everything of ours would be dropped.",
  );
  const { undo } = await import("../adopt/adopt.ts");
  const given = await undo({ ...workOf(context), reached: progress() });
  if (json) console.log(JSON.stringify(given));
  else
    console.log(
      `Given back, with ${given.reports} reports and ${given.reported} rows of reported compared` +
        `${given.leftOut > 0 ? `; ${given.leftOut} do not fit the old columns and were left out` : ""}.`,
    );
}

async function finished(context: Context, { yes }: Options): Promise<void> {
  await agreed(yes, "Drop the old tables for good?", "The old tables would be dropped for good.");
  const { finish } = await import("../adopt/adopt.ts");
  await finish(workOf(context));
  console.log("The old tables are gone.");
}
