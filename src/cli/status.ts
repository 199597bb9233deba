import type { Command } from "commander";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

/** `ccx status`: the view of the same name, for people and for checks. */
export function addStatusCommand(program: Command, context: Context): void {
  program
    .command("status")
    .description(
      "how the service is, on one screen: consumer, workers, what waits and since when; exit code 3 when " +
        "something needs attention",
    )
    .option("--json", "one JSON array")
    .action(async ({ json }: { json?: true }) => {
      const rows = await context.withDatabase(sql.status);
      printRows(rows, { json, empty: "" });
      if (rows.some(({ state }) => state !== "ok")) process.exitCode = 3;
    });
}
