import type { Command } from "commander";
import { readRules } from "../analyze/rule_files.ts";
import { ConfigurationError } from "../errors.ts";
import { confirmed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

type Json = { json?: boolean };

/**
 * `ccx analyze load|rules|failing|archives|try|backtest|dead|redrive`: rules, and archives that were given
 * up.
 */
export function addAnalyzeCommands(analyze: Command, context: Context): void {
  analyze
    .command("load")
    .argument("<folder>", "files NAME.sql, each a rule")
    .description("take the SQL rules of a folder over; those that are not in it any more end")
    .option("--json", "JSON for programs")
    .action(async (folder: string, { json }: Json) => {
      const rules = await readRules(folder);
      const done = await context.withDatabase((pool) => sql.loadRules(pool, JSON.stringify(rules)));
      printRows(done, { json, empty: "There is nothing to load." });
    });

  const list = (
    name: string,
    description: string,
    empty: string,
    rows: (pool: Parameters<typeof sql.sqlRules>[0]) => ReturnType<typeof sql.sqlRules>,
  ) =>
    analyze
      .command(name)
      .description(`${description}; exit code 3 when there are none`)
      .option("--json", "JSON for programs")
      .action(async ({ json }: Json) => {
        const found = await context.withDatabase(rows);
        printRows(found, { json, empty });
        if (found.length === 0) process.exitCode = 3;
      });
  list("rules", "the SQL rules", "No rules are loaded.", sql.sqlRules);
  list("failing", "rules that failed on archives, and why", "No rule has failed.", sql.failingRules);
  list("archives", "archives whose documents are kept", "No archive is kept.", sql.keptArchives);
  list(
    "dead",
    "archives and announcements that were given up, and why",
    "Nothing is dead.",
    sql.deadAnalyses,
  );

  analyze
    .command("try")
    .argument("<rule>", "its name")
    .argument("<archive>", "the number of a kept archive")
    .description("run a rule on a kept archive; exit code 3 when it has no hit")
    .option("--json", "JSON for programs")
    .action(async (rule: string, archive: string, { json }: Json) => {
      const hits = await context.withDatabase((pool) => sql.tryRule(pool, rule, numberOf(archive)));
      printRows(hits, { json, empty: "It has no hit." });
      if (hits.length === 0) process.exitCode = 3;
    });

  analyze
    .command("backtest")
    .argument("<rule>", "its name")
    .option("--since <time>", "archives that were kept then or later; seven days unless given")
    .option("--json", "JSON for programs")
    .description("run a rule on every kept archive; exit code 3 when it has no hit")
    .action(async (rule: string, { since, json }: Json & { since?: string }) => {
      const hits = await context.withDatabase((pool) => sql.backtestRule(pool, rule, since));
      printRows(hits, { json, empty: "It has no hit." });
      if (hits.length === 0) process.exitCode = 3;
    });

  analyze
    .command("redrive")
    .argument("[analyses...]", "their numbers, as `ccx analyze dead` lists them")
    .option("--all", "everything that is dead and can be redriven")
    .option("--failure <failure>", "what is dead for this reason")
    .option("--yes", "do not ask")
    .option("--json", "JSON for programs")
    .description("try dead archives again; exit code 3 when there is nothing to try")
    .action(async (ids: string[], options: Json & { all?: true; failure?: string; yes?: true }) => {
      const { all, failure, yes, json } = options;
      if ([ids.length > 0, all, failure !== undefined].filter(Boolean).length !== 1)
        throw new ConfigurationError("Name the analyses, or a --failure, or say --all.");
      const done = await context.withDatabase(async (pool) => {
        const meant =
          ids.length > 0
            ? ids.map(numberOf)
            : (await sql.redrivableAnalyses(pool, failure)).map(({ analysis_id }) => analysis_id);
        if (meant.length === 0) return [];
        if (ids.length === 0 && !yes && !(await confirmed(`Try ${meant.length} again? [y/N] `)))
          throw new ConfigurationError("Nothing was redriven. --yes says that all of these are meant.");
        return sql.redriveAnalyses(pool, meant);
      });
      printRows(done, { json, empty: "There is nothing to redrive." });
      if (done.length === 0) process.exitCode = 3;
    });
}

function numberOf(text: string): string {
  if (!/^\d{1,18}$/.test(text)) throw new ConfigurationError(`${JSON.stringify(text)} is no number.`);
  return text;
}
