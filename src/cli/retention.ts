import type { Command } from "commander";
import { kept, undone } from "../db/undone.ts";
import { createLogger } from "../log.ts";
import { agreed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

/**
 * `ccx retention show|set|apply`: which days are stored and past; and drops them, as a worker does every
 * hour.
 */
export function addRetentionCommands(program: Command, context: Context): void {
  const retention = program.command("retention").description("how long reports are kept");

  retention
    .command("show")
    .description("each day that is stored, its size, whether it is past, and what holds it")
    .option("--json", "one JSON array")
    .action(async ({ json }: { json?: true }) => {
      printRows(await context.withDatabase(sql.partitions), { json, empty: "No day." });
    });

  retention
    .command("set")
    .argument("<table>", "as ccx retention show and the table retention name it")
    .argument("<keep>", "how long it keeps its rows, for example '30 days'")
    .option("--yes", "change it whatever that lets go")
    .description("change how long a table keeps its rows")
    .action(async (table: string, keep: string, { yes }: { yes?: boolean }) => {
      await context.withDatabase((pool) =>
        undone(pool, async (client) => {
          const before = await sql.pastOf(client, table);
          await sql.setRetention(client, table, keep);
          const after = await sql.pastOf(client, table);
          const [days, rows] = [after.days - before.days, after.rows - before.rows];
          if (days > 0 || rows > 0) {
            const past = `${Math.max(days, 0)} days and ${Math.max(rows, 0)} rows are past by that.`;
            await agreed(yes, `${past} Go on?`, "Nothing was changed.");
          }
          await kept(client);
        }),
      );
      console.log(`${table} keeps its rows for ${keep}.`);
    });

  retention
    .command("apply")
    .description(
      "drop the days of reports and decisions that are past; exit code 3 when there is nothing to do",
    )
    .option("--dry-run", "only show what would be dropped or deleted, and what holds the rest")
    .option("--json", "one JSON array")
    .action(async ({ json, dryRun }: { json?: true; dryRun?: true }) => {
      if (dryRun) {
        const rows = await context.withDatabase(sql.previewRetention);
        printRows(rows, { json, empty: "Nothing is past." });
        if (rows.length === 0) process.exitCode = 3;
        return;
      }
      const { retain } = await import("../retain/retain.ts");
      const steps = await context.withDatabase((pool) => retain(pool, createLogger("silent")));
      printRows(steps, { json, empty: "Nothing is past." });
      if (steps.length === 0) process.exitCode = 3;
    });
}
