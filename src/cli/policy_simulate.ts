import type { Command } from "commander";
import type { Pool } from "pg";
import { codeOf } from "../db/errors.ts";
import type { AnyRow, Db } from "../db/rows.ts";
import { TookTooLong, undone } from "../db/undone.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import { trialEstimate } from "../survey/sql.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import { Progress } from "./progress.ts";
import { parseSettings } from "./settings.ts";
import * as sql from "./sql.ts";
import { isStop, stoppable } from "./stop.ts";

type Given = sql.PolicyScope & {
  from?: string;
  to?: string;
  verbose?: boolean;
  limit?: string;
  timeout?: string;
  json?: boolean;
};

/** What to print (`total` and `note` only for people), and whether the change changes anything. */
type Outcome = { rows: AnyRow[]; changes: boolean; total?: AnyRow; note?: string };

/** `ccx policy simulate`: what a change of policy would do, now or in the past, without doing it. */
export function addPolicySimulateCommand(policy: Command, context: Context): void {
  policy
    .command("simulate")
    .argument("[setting=value...]", "the change, as for ccx policy set")
    .description(
      "what a change of policy would do; exit code 3 when it would do nothing, and nothing is kept",
    )
    .requiredOption("--target <name>", "the target, for example 'service log'")
    .option("--org <id>", "only for this organization")
    .option("--rule <rule>", "only for this rule, in any spelling")
    .option("--from <time>", "what would have been sent since then, day by day (UTC), instead of now")
    .option("--to <time>", "and until when (now)")
    .option("--verbose", "every decision that would change, instead of a summary by rule")
    .option("--limit <rows>", "with --verbose: at most so many (1000, with --json all)")
    .option(
      "--timeout <seconds>",
      "give up after so long (60, or three times as long as it is expected to take)",
    )
    .option("--json", "one JSON array")
    .action(async (settings: string[], given: Given) => {
      const change = settings.length > 0 ? parseSettings(settings) : undefined;
      refuseContradictions(given, change);
      const limit = given.limit === undefined ? undefined : wholeNumber("--limit", given.limit);
      const timeout = given.timeout === undefined ? undefined : wholeNumber("--timeout", given.timeout);
      const { from, json } = given;
      const simulate = async (db: Db, progress: Progress): Promise<Outcome> => {
        if (from !== undefined) {
          progress.at("replaying the past");
          return comparePast(db, { ...given, from }, change);
        }
        await sql.withoutRemarks(db); // the simulation says more than they do
        progress.at("making the change, once nobody else changes these policies");
        await sql.setPolicy(db, given, change ?? {}, "ccx policy simulate");
        progress.at("deciding before and after the change");
        return given.verbose ? eachDecision(db, given, limit ?? (json ? null : 1000)) : byRule(db, given);
      };
      const { rows, total, note, changes } = await context.withDatabase(
        (pool) =>
          stoppable(async (signal) => {
            const about = await announced(pool, given, change);
            const seconds = timeout ?? Math.max(60, Math.ceil(3 * (about ?? 0)));
            using progress = new Progress(about);
            return await undone(pool, (db) => simulate(db, progress), { seconds, signal }).catch((error) => {
              if (isStop(error, signal))
                throw new ConfigurationError(`The simulation was ${messageOf(error)}; nothing was kept.`);
              if (!(error instanceof TookTooLong)) throw error;
              throw new ConfigurationError(
                `The simulation ${error.message}; nothing was kept. --timeout gives it more.`,
                { cause: error },
              );
            });
          }),
        2,
      );
      printRows(total && !json ? [...rows, total] : rows, { json, empty: "Nothing would change." });
      if (note && !json) console.log(note);
      if (!changes) process.exitCode = 3;
    });
}

/** What takes less than this needs no announcement. */
const momentSeconds = 2;

/** Says on stderr how long it will take, and returns that in seconds; undefined: a moment, or unknown. */
async function announced(pool: Pool, given: Given, change: AnyRow | undefined): Promise<number | undefined> {
  // what was sent is read, not replayed
  if (given.from !== undefined && change === undefined) return undefined;
  const found = await trialEstimate(pool, given).catch((error) => {
    // who may not see it, or misspelled what is refused in a moment, waits without it
    if (["42501", "22007", "22008", "22P02"].includes(codeOf(error) ?? "")) return undefined;
    throw error;
  });
  if (!found) return undefined;
  const { decisions, seconds } = found;
  const inParts = "ccx survey ask backtest does it in parts, and keeps the answer";
  if (seconds === null)
    console.error(`ccx: how long it takes to replay a large fleet is not known here; ${inParts}`);
  else if (seconds >= momentSeconds)
    console.error(
      `ccx: this takes about ${Math.ceil(seconds)} s` +
        (decisions === null ? `; ${inParts}` : `, for ${decisions} decisions`),
    );
  return seconds ?? undefined;
}

function refuseContradictions({ from, to, rule, verbose }: Given, change: AnyRow | undefined): void {
  if (from === undefined && to !== undefined)
    throw new ConfigurationError("--to needs a --from: since when would it have been so?");
  if (from === undefined && change === undefined)
    throw new ConfigurationError(
      "Nothing to simulate: give setting=value, or --from for what was sent without a change.",
    );
  if (from !== undefined && rule !== undefined)
    throw new ConfigurationError(
      "The past is simulated for a whole target or one organization: leave --rule out.",
    );
  if (from !== undefined && verbose)
    throw new ConfigurationError("The past is shown day by day: leave --verbose out.");
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new ConfigurationError(`${option} has to be a whole number from 1 to 999999.`);
  return Number(text);
}

/** The decisions of now that the open transaction changes, counted by rule. */
async function byRule(db: Db, scope: sql.PolicyScope): Promise<Outcome> {
  const rows = await sql.diffByRule(db, scope);
  const decisions = (some = rows) => some.reduce((all, row) => all + row.decisions, 0);
  return outcome(rows, {
    decisions: decisions(),
    before: decisions(rows.filter(({ before }) => before === "notify")),
    after: decisions(rows.filter(({ after }) => after === "notify")),
  });
}

/** Each of them, at most `limit`. */
async function eachDecision(db: Db, scope: sql.PolicyScope, limit: number | null): Promise<Outcome> {
  const changed = await sql.changedDecisions(db, limit, scope);
  const [first] = changed;
  const rows = changed.map(({ total_decisions, total_notify_before, total_notify, ...row }) => row);
  const decisions = first?.total_decisions ?? 0;
  const left = decisions > rows.length ? `, of which these are the first ${rows.length}` : "";
  return outcome(rows, {
    ...{ decisions, left },
    before: first?.total_notify_before ?? 0,
    after: first?.total_notify ?? 0,
  });
}

function outcome(
  rows: AnyRow[],
  {
    decisions,
    before,
    after,
    left = "",
  }: { decisions: number; before: number; after: number; left?: string },
): Outcome {
  const note =
    `\n${decisions} decisions would change${left}; notified now: ${after} instead of ${before} ` +
    `of them. Nothing was kept.`;
  return { rows, changes: rows.length > 0, ...(rows.length > 0 && { note }) };
}

/** What was (or with the change would have been) sent, day by day; without `to` until now. */
async function comparePast(db: Db, stretch: sql.Stretch, change: AnyRow | undefined): Promise<Outcome> {
  if (change === undefined) {
    const rows = await sql.backtest(db, stretch);
    return { rows, total: totalOf(rows), changes: true };
  }
  const rows = await sql.compareBacktest(db, stretch, change);
  const changes = rows.some(
    (day) =>
      day.issues_before !== day.issues ||
      day.messages_before !== day.messages ||
      day.clusters_before !== day.clusters,
  );
  return { rows, total: totalOf(rows), changes };
}

/**
 * The last line for people. The same cluster may be notified on several days, so clusters are not added up.
 */
function totalOf(rows: AnyRow[]): AnyRow {
  const sum = (column: string) => rows.reduce((total, row) => total + Number(row[column]), 0);
  return Object.fromEntries(
    Object.keys(rows[0] ?? {}).map((column) => [
      column,
      column === "day" ? "total" : /^(issues|messages)/.test(column) ? sum(column) : null,
    ]),
  );
}
