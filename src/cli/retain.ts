import type { Command } from "commander";
import { createLogger } from "../log.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";

/** `ccx retain`: drops the days that are past, as a worker does every hour. */
export function addRetainCommand(program: Command, context: Context): void {
  program
    .command("retain")
    .description(
      "drop the days of reports and decisions that are past; exit code 3 when there is nothing to do",
    )
    .option("--dry-run", "only show each day, what is past, and what holds it")
    .option("--json", "one JSON array")
    .action(async ({ dryRun, json }: { dryRun?: true; json?: true }) => {
      if (dryRun) {
        await context.withDatabase(async (pool) => {
          const { rows } = await pool.query("select * from partitions order by parent, day nulls last");
          printRows(rows, { json, empty: "No day." });
        });
        return;
      }
      const { retain } = await import("../retain/retain.ts");
      const steps = await context.withDatabase((pool) => retain(pool, createLogger("silent")));
      printRows(steps, { json, empty: "Nothing is past." });
      if (steps.length === 0) process.exitCode = 3;
    });
}
