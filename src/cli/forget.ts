import type { Command } from "commander";
import { ConfigurationError } from "../errors.ts";
import { agreed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

/** `ccx forget`: removes a customer who left, or one cluster, from every table. */
export function addForgetCommand(program: Command, context: Context): void {
  program
    .command("forget")
    .description(
      "delete an organization or a cluster from every table; exit code 3 when nothing is known of it",
    )
    .option("--org <id>", "the organization, or that of the cluster")
    .option("--cluster <id>", "only this cluster")
    .option("--dry-run", "only show how many rows of which table would go")
    .option("--yes", "delete without asking")
    .option("--json", "one JSON array")
    .action(async (given: sql.Forgotten & { dryRun?: true; yes?: true; json?: true }) => {
      const { json } = given;
      if ((given.org ?? given.cluster) === undefined)
        throw new ConfigurationError("Give --org, --cluster, or both.");
      const rows = await context.withDatabase(async (pool) => {
        const found = await sql.previewForget(pool, given);
        if (given.dryRun || found.length === 0) return found;
        const count = found.reduce((sum, { row_count }) => sum + row_count, 0);
        const question = `${count} rows of ${found.length} tables are deleted for ever. Go on?`;
        await agreed(given.yes, question, "Nothing was deleted.");
        return forgetAll(() => sql.forget(pool, given));
      });
      printRows(rows, { json, empty: "Nothing is known of it." });
      if (rows.length === 0) process.exitCode = 3;
    });
}

/** Calls `step` until nothing is left; returns how many rows went of which table. */
async function forgetAll(step: () => Promise<sql.RowsOf[]>): Promise<sql.RowsOf[]> {
  const sums = new Map<string, number>();
  for (;;) {
    const gone = await step();
    if (gone.length === 0) break;
    for (const { name, row_count } of gone) sums.set(name, (sums.get(name) ?? 0) + row_count);
  }
  return [...sums].map(([name, row_count]) => ({ name, row_count }));
}
