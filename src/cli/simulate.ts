import type { Command } from "commander";
import type { Pool, PoolClient } from "pg";
import { codeOf } from "../db/errors.ts";
import { ConfigurationError } from "../errors.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import { parseSettings } from "./settings.ts";
import { compareNow, comparePast, type Scope } from "./simulation.ts";

type Given = Scope & {
  set?: string[];
  from?: string;
  to?: string;
  verbose?: boolean;
  limit?: string;
  timeout: string;
  json?: boolean;
};

/** `ccx simulate`: what a change of policy would do, now or in the past, without doing it. */
export function addSimulateCommand(program: Command, context: Context): void {
  program
    .command("simulate")
    .description(
      "what a change of policy would do; exit code 3 when it would do nothing, and nothing is kept",
    )
    .requiredOption("--target <name>", "for example 'service log'")
    .option("--set <setting=value...>", "the change, as for ccx policy set")
    .option("--org <id>", "only for this organization")
    .option("--rule <rule>", "only for this rule, in any spelling")
    .option("--from <time>", "what would have been sent since then, day by day (UTC), instead of now")
    .option("--to <time>", "and until when (now)")
    .option("--verbose", "every decision that would change, instead of a summary by rule")
    .option("--limit <rows>", "with --verbose: at most so many (1000, with --json all)")
    .option("--timeout <seconds>", "give up after so long", "60")
    .option("--json", "one JSON array")
    .action(async (given: Given) => {
      const change = given.set && parseSettings(given.set);
      refuseContradictions(given);
      const limit = given.limit === undefined ? undefined : wholeNumber("--limit", given.limit);
      const seconds = wholeNumber("--timeout", given.timeout);
      const { from, json } = given;
      const { rows, total, note, changes } = await context.withDatabase((pool) =>
        undone(pool, seconds, (client) =>
          from === undefined
            ? compareNow(client, given, change ?? {}, {
                single: given.verbose === true,
                limit: limit ?? (json ? null : 1000),
              })
            : comparePast(client, { ...given, from }, change),
        ),
      );
      printRows(total && !json ? [...rows, total] : rows, { json, empty: "Nothing would change." });
      if (note && !json) console.log(note);
      if (!changes) process.exitCode = 3;
    });
}

function refuseContradictions({ set, from, to, org, rule, verbose }: Given): void {
  if (from === undefined && to !== undefined)
    throw new ConfigurationError("--to needs a --from: since when would it have been so?");
  if (from === undefined && set === undefined)
    throw new ConfigurationError("Nothing to simulate: give --set, or --from for what was sent without it.");
  if (from !== undefined && (org ?? rule) !== undefined)
    throw new ConfigurationError("The past is simulated for a whole target: leave --org and --rule out.");
  if (from !== undefined && verbose)
    throw new ConfigurationError("The past is shown day by day: leave --verbose out.");
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new ConfigurationError(`${option} has to be a whole number from 1 to 999999.`);
  return Number(text);
}

/** Calls `work` in a transaction that is rolled back, however it ends; gives up after `seconds`. */
async function undone<T>(pool: Pool, seconds: number, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query("select set_config('statement_timeout', $1, true)", [`${seconds}s`]);
    return await work(client);
  } catch (error) {
    if (codeOf(error) !== "57014") throw error;
    throw new ConfigurationError(
      `The simulation took longer than ${seconds} s; nothing was kept. --timeout gives it more.`,
      { cause: error },
    );
  } finally {
    // a connection that is gone has rolled back by itself
    await client.query("rollback").catch(() => undefined);
    client.release();
  }
}
