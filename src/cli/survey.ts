import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { Pool } from "pg";
import type { AnyRow } from "../db/rows.ts";
import { ConfigurationError } from "../errors.ts";
import * as surveys from "../survey/sql.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import { bar } from "./progress.ts";
import { parseSettings } from "./settings.ts";

type Asked = {
  target?: string;
  from?: string;
  to?: string;
  org?: string;
  by: string;
  maxAge: string;
  later?: true;
  json?: true;
};

const groupings = ["reason", "rule", "organization"];

/** `ccx survey ask|list|show|cancel`: questions about the whole fleet, answered in parts. */
export function addSurveyCommands(program: Command, context: Context): void {
  const survey = program
    .command("survey")
    .description("questions about the whole fleet, which workers answer in parts");

  survey
    .command("ask")
    .argument("<kind>", "decisions, noise or backtest")
    .argument("[setting=value...]", "of a backtest: the change of policy, as for ccx policy set")
    .description("ask one, help to answer it, and print the answer")
    .option("--target <name>", "of a backtest: the target")
    .option("--from <time>", "of a backtest: since when")
    .option("--to <time>", "of a backtest: until when (now)")
    .option(
      "--org <id>",
      "of a backtest: the organization whose policy is changed, and that alone is replayed",
    )
    .option("--by <what>", "of decisions: counted by reason, rule or organization", "reason")
    .option("--max-age <interval>", "an answer that is at most so old will do", "1 hour")
    .option("--later", "only ask: print the number, and leave the work to the workers")
    .option("--json", "one JSON array")
    .action(async (kind: string, settings: string[], given: Asked) => {
      if (!groupings.includes(given.by))
        throw new ConfigurationError(`--by is one of ${groupings.join(", ")}, not "${given.by}".`);
      const { target, from, to, org } = given;
      const args =
        kind === "backtest"
          ? {
              ...{ target, from, to: to ?? "now", org_id: org },
              ...(settings.length > 0 && { policy: parseSettings(settings) }),
            }
          : settings.length > 0
            ? { policy: parseSettings(settings) }
            : {};
      await context.withDatabase(async (pool) => {
        const id = await surveys.askSurvey(pool, kind, args, given.maxAge);
        if (given.later) {
          console.log(given.json ? JSON.stringify([{ id }]) : id);
          return;
        }
        await answered(pool, id);
        await print(pool, kind, id, given);
      });
    });

  survey
    .command("list")
    .description("those that were asked, how far they are, and how long they will take")
    .option("--json", "one JSON array")
    .action(async ({ json }: { json?: true }) => {
      const rows = await context.withDatabase((pool) => surveys.surveys(pool));
      printRows(rows, { json, empty: "No survey: nobody asked, and the fleet is small." });
    });

  survey
    .command("show")
    .argument("<id>", "number of the survey")
    .description("the answer of one that is done; exit code 3 when it is not")
    .option("--by <what>", "of decisions: counted by reason, rule or organization", "reason")
    .option("--json", "one JSON array")
    .action(async (id: string, { by, json }: { by: string; json?: true }) => {
      await context.withDatabase(async (pool) => {
        const found = await one(pool, id);
        if (found.state === "done") return print(pool, found.kind, id, { by, json });
        console.error(`ccx: survey ${id} is ${found.state}${progress(found)}`);
        process.exitCode = 3;
      });
    });

  survey
    .command("cancel")
    .argument("<id>", "number of the survey")
    .description("end one; exit code 3 when it was over already")
    .action(async (id: string) => {
      const ended = await context.withDatabase((pool) => surveys.cancelSurvey(pool, id));
      console.log(ended ? `Survey ${id} is canceled.` : `Survey ${id} was over already.`);
      if (!ended) process.exitCode = 3;
    });
}

async function one(pool: Pool, id: string): Promise<surveys.Survey> {
  const found = /^\d{1,18}$/.test(id) ? await surveys.surveyOf(pool, id) : undefined;
  if (!found) throw new ConfigurationError(`There is no survey ${id}; ccx survey list has them.`);
  return found;
}

/** Takes parts of it beside the workers until it is done; a bar on stderr says how far it is. */
async function answered(pool: Pool, id: string): Promise<void> {
  const before = await one(pool, id);
  const isShown = process.stderr.isTTY && before.state !== "done";
  const show = (found: surveys.Survey) => {
    if (isShown)
      process.stderr.write(
        `\r\u001b[Ksurvey ${id}: ${bar(found.clusters_done / Math.max(1, found.clusters))}${progress(found)}`,
      );
  };
  show(before);
  while (true) {
    // nothing to take: others are at the last parts
    if (!(await surveys.runSurveyPart(pool, id))) await sleep(lookEveryMs);
    const found = await one(pool, id);
    show(found);
    if (found.state === "done" || found.problem !== null) {
      if (isShown) process.stderr.write("\n");
      if (found.problem !== null) throw new ConfigurationError(`Survey ${id}: ${found.problem}.`);
      return;
    }
  }
}

const lookEveryMs = 300;
function progress({ parts, parts_done, seconds_left }: surveys.Survey): string {
  const left = seconds_left === null ? "" : `, some ${Math.ceil(seconds_left)} s left with one process`;
  return `, ${parts_done} of ${parts} parts${left}`;
}

async function print(
  pool: Pool,
  kind: string,
  id: string,
  { by, json }: { by: string; json?: true | undefined },
): Promise<void> {
  const rows: AnyRow[] =
    kind === "backtest"
      ? await surveys.surveyedDays(pool, id)
      : kind === "noise"
        ? await surveys.noiseSummary(pool)
        : await surveys.decisionSummary(pool, by);
  printRows(rows, { json, empty: "Nothing was counted." });
}
