import type { Command } from "commander";
import { ConfigurationError } from "../errors.ts";
import type { RejectedFilter } from "../ingest/rejected.ts";
import type { Retried } from "../ingest/sql.ts";
import { confirmed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows, table } from "./output.ts";
import { showRejected } from "./rejected_show.ts";
import * as sql from "./sql.ts";

type Filter = Omit<RejectedFilter, "places">;
type List = Filter & { limit: string; all?: boolean; json?: boolean };
type Retry = Filter & { all?: boolean; yes?: boolean; json?: boolean };

/** `ccx rejected list|show|retry`: messages that did not conform. */
export function addRejectedCommands(program: Command, context: Context): void {
  const rejected = program.command("rejected").description("messages that did not conform");
  const withFilter = (command: Command) =>
    command
      .option("--reason <reason>", "only with this reason")
      .option("--topic <topic>", "only of this topic")
      .option("--org <id>", "only of this organization, where the message says so")
      .option("--cluster <id>", "only of this cluster, where the message says so")
      .option("--since <time>", "only what arrived at this time or later")
      .option("--until <time>", "only what arrived before this time")
      .option("--json", "JSON for programs");

  withFilter(rejected.command("list"))
    .description("the newest first; exit code 3 when there are none")
    .option("--limit <count>", "at most so many", "50")
    .option("--all", "those that a retry has stored, too")
    .action(async ({ limit, all, json, ...filter }: List) => {
      if (!/^[1-9]\d{0,8}$/.test(limit))
        throw new ConfigurationError("--limit has to be a whole number from 1 on.");
      const rows = await context.withDatabase((pool) =>
        sql.rejectedMessages(pool, filter, { stored: all ?? false, limit }),
      );
      printRows(rows, { json, empty: "Nothing is rejected." });
      if (rows.length === 0) process.exitCode = 3;
    });

  rejected
    .command("show")
    .argument("<message>", "TOPIC/PARTITION/OFFSET, or its id")
    .description("all about one message; exit code 3 when there is none")
    .option("--raw", "only its bytes, as they came")
    .option("--json", "JSON for programs; bytes in base64, and as text where they are text")
    .action(async (place: string, options: { raw?: boolean; json?: boolean }) => {
      if (!(await context.withDatabase((pool) => showRejected(pool, place, options)))) process.exitCode = 3;
    });

  withFilter(rejected.command("retry"))
    .argument("[messages...]", "TOPIC/PARTITION/OFFSET, or ids")
    .description(
      "store what conforms by now, as if it had just arrived; exit code 3 when there is nothing to try",
    )
    .option("--all", "everything that is still rejected")
    .option("--yes", "do not ask")
    .action(async (places: string[], { all, yes, json, ...given }: Retry) => {
      const filter = { ...given, ...(places.length > 0 && { places }) };
      const isNarrowed = Object.keys(filter).length > 0;
      if (isNarrowed === (all ?? false)) {
        throw new ConfigurationError("Name messages or narrow them (--reason, …), or say --all.");
      }
      const done = await context.withDatabase(async (pool) => {
        const waiting = await sql.rejectedToRetry(pool, filter);
        if (waiting.length === 0) return undefined;
        if (places.length === 0 && !yes) {
          console.error(table(waiting));
          if (!(await confirmed("Try them again? [y/N] ")))
            throw new ConfigurationError("Nothing was tried. --yes says that all of these are meant.");
        }
        const { retryRejected } = await import("../ingest/retry.ts");
        return retryRejected(pool, filter);
      });
      if (json) console.log(JSON.stringify(done ?? null));
      else console.log(done ? inWords(done) : "There is nothing to try again.");
      if (!done) process.exitCode = 3;
    });
}

function inWords({ stored, replaced, unchanged, rejected, done_already }: Retried): string {
  const others = done_already > 0 ? `, ${done_already} done by somebody else` : "";
  return (
    `${stored} stored, ${replaced} replaced, ${unchanged} unchanged, ` + `${rejected} still rejected${others}`
  );
}
