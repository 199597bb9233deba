import type { Command } from "commander";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

/** `ccx trace REQUEST_ID|CLUSTER`: the way of an upload, step by step. */
export function addTraceCommand(program: Command, context: Context): void {
  program
    .command("trace")
    .argument("<what>", "a request id, or a cluster: its newest upload")
    .description("the way of an upload to the customer, step by step; exit code 3 when nothing is known")
    .option("--json", "JSON for programs")
    .action(async (what: string, { json }: { json?: boolean }) => {
      const steps = await context.question((pool) => sql.trace(pool, what));
      printRows(steps, { json, empty: "Nothing is known of it." });
      if (steps.length === 0) process.exitCode = 3;
    });
}
