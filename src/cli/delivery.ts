import type { Command } from "commander";
import type { Pool } from "pg";
import { ConfigurationError, failureReasons } from "../errors.ts";
import { createLogger } from "../log.ts";
import { agreed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

type List = { target?: string; org?: string; cluster?: string; json?: boolean };
type Dead = List & { failure?: string };
type Redrive = Dead & { since?: string; id?: string; yes?: boolean };
type Replay = sql.Replay & { yes?: boolean; json?: boolean };

/**
 * `ccx delivery list|dead|show|redrive|replay`: what waits, what was given up, and what people do about it.
 */
export function addDeliveryCommands(program: Command, context: Context): void {
  const delivery = program.command("delivery").description("messages to the targets");
  const withScope = (command: Command) =>
    command
      .option("--target <name>", "only to this target")
      .option("--org <id>", "only of this organization")
      .option("--cluster <id>", "only about this cluster")
      .option("--json", "one JSON array");

  withScope(delivery.command("list"))
    .description(
      "messages that are neither sent nor given up, the oldest first; exit code 3 when there are none",
    )
    .action(async ({ json, ...given }: List) => {
      const rows = await context.withDatabase(async (pool) => {
        await refuseUnknown(pool, given);
        return sql.deliveryGap(pool, given);
      });
      printRows(rows, { json, empty: "Nothing waits." });
      if (rows.length === 0) process.exitCode = 3;
    });

  withScope(delivery.command("dead"))
    .description("messages that were given up, and why; exit code 3 when there are none")
    .option("--failure <class>", "only those that failed so, for example client")
    .action(async ({ json, ...given }: Dead) => {
      const rows = await context.withDatabase(async (pool) => {
        await refuseUnknown(pool, given);
        return sql.deadLetter(pool, given);
      });
      printRows(rows, { json, empty: "Nothing was given up that this names." });
      if (rows.length === 0) process.exitCode = 3;
    });

  delivery
    .command("show")
    .argument("<id>", "number of the message (notification_id)")
    .description("what a message says, as its receiver gets it; exit code 3 when there is no such message")
    .option("--json", "one JSON array; `body` is what goes over the wire")
    .action(async (id: string, { json }: { json?: boolean }) => {
      if (!/^\d{1,18}$/.test(id)) throw new ConfigurationError("A message is named by its number.");
      const log = createLogger("silent");
      const { config } = context.config();
      const { bodyOptionsOf, shownMessage } = await import("../deliver/shown.ts");
      const message = await context.withDatabase((pool) =>
        shownMessage(pool, id, log, bodyOptionsOf(config)),
      );
      const empty = "There is nothing to show.";
      if (json || !message) printRows(message ? [message] : [], { json, empty });
      else {
        printRows(message.issues, { empty });
        const { target, state, ended_at, report_is_kept } = message;
        const gone = report_is_kept ? "" : "; its report is gone, so details are missing";
        console.log(`\n${target}, ${state}${ended_at ? ` ${ended_at}` : ""}${gone}`);
      }
      if (!message) process.exitCode = 3;
    });

  withScope(delivery.command("redrive"))
    .description(
      "try messages again that were given up, under the same id; exit code 3 when there are none that can be",
    )
    .option("--failure <class>", "only those that failed so, for example client")
    .option("--since <time>", "only those given up since then")
    .option("--id <number>", "only this message (notification_id of dead_letter)")
    .option("--yes", "do not ask")
    .action(async (given: Redrive) => {
      await context.withDatabase((pool) => redrive(pool, given));
    });

  withScope(delivery.command("replay"))
    .description(
      "send again what was sent or given up in a stretch of time, under new ids; exit code 3 when that is " +
        "nothing",
    )
    .requiredOption("--from <time>", "since when, for example 2026-12-24T08:00Z")
    .requiredOption("--to <time>", "until when")
    .option("--rule <rule>", "only issues of this rule, in any spelling (x|KEY names the error key, too)")
    .option("--again", "also what was replayed already")
    .option("--yes", "do not ask")
    .action(async (given: Replay) => {
      await context.withDatabase((pool) => replay(pool, given));
    });
}

/** Refuses names that do not exist, which would otherwise just find nothing. */
async function refuseUnknown(pool: Pool, { target, failure }: Dead): Promise<void> {
  if (failure !== undefined && !failureReasons.some((reason) => reason === failure)) {
    throw new ConfigurationError(
      `There is no failure "${failure}"; the failures are: ${failureReasons.join(", ")}.`,
    );
  }
  if (target !== undefined) await sql.targetId(pool, target);
}

async function redrive(pool: Pool, given: Redrive): Promise<void> {
  const { json } = given;
  await refuseUnknown(pool, given);
  const dead = await sql.redrivable(pool, given);
  const found = dead.map(({ notification_ids: _, ...row }) => row);
  const ids = dead.flatMap(({ refusal, notification_ids }) => (refusal === null ? notification_ids : []));
  if (ids.length === 0) {
    printRows(found, { json, empty: "Nothing was given up that this names." });
    process.exitCode = 3;
    return;
  }
  if (!json) printRows(found, { empty: "" });
  await agreed(given.yes, `Redrive ${messages(ids.length)}?`, "Nothing was redriven.");
  const done = await sql.redriveSummary(pool, ids);
  const redriven = sum(done.filter(({ refusal }) => refusal === null));
  if (json) printRows(done, { json, empty: "" });
  else {
    console.log(`Redriven: ${messages(redriven)}.`);
    for (const { refusal, messages: count } of done)
      if (refusal !== null) console.log(`Not redriven: ${messages(count)}: ${refusal}.`);
  }
  if (redriven === 0) process.exitCode = 3;
}

async function replay(pool: Pool, { yes, json, ...what }: Replay): Promise<void> {
  const found = await sql.replayable(pool, what);
  if (found.length === 0) {
    printRows(found, { json, empty: "There is nothing to replay." });
    process.exitCode = 3;
    return;
  }
  if (!json) printRows(found, { empty: "" });
  await agreed(yes, `Replay ${messages(sum(found))}?`, "Nothing was replayed.");
  const done = await sql.replay(pool, what);
  if (json) printRows(done, { json, empty: "" });
  else console.log(`Replayed: ${messages(sum(done))}.`);
  if (done.length === 0) process.exitCode = 3;
}

const messages = (count: number): string => `${count} ${count === 1 ? "message" : "messages"}`;

const sum = (rows: { messages: number }[]): number => rows.reduce((all, row) => all + row.messages, 0);
