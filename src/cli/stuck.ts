import type { Command } from "commander";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

/** `ccx stuck list|retry`: clusters whose decision fails, and another try at once. */
export function addStuckCommands(program: Command, context: Context): void {
  const stuck = program.command("stuck").description("clusters whose decision fails");

  stuck
    .command("list")
    .description("each cluster that was put aside, why, since when, and when it is tried again")
    .option("--json", "one JSON array")
    .action(async ({ json }: { json?: true }) => {
      printRows(await context.withDatabase(sql.stuckClusters), { json, empty: "No cluster." });
    });

  stuck
    .command("retry")
    .description("decide for them again; exit code 3 when there are none")
    .option("--org <id>", "only those of this organization")
    .option("--cluster <id>", "only this one")
    .option("--json", "one JSON array")
    .action(async (options: { org?: string; cluster?: string; json?: true }) => {
      const retried = await context.withDatabase((pool) =>
        sql.retryStuck(pool, options.org ?? null, options.cluster ?? null),
      );
      printRows([{ retried }], { json: options.json, empty: "" });
      if (retried === 0) process.exitCode = 3;
    });
}
