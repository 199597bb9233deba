import type { Command } from "commander";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

/** `ccx storm list|release|drop`: what the brake holds, and what becomes of it. */
export function addStormCommands(program: Command, context: Context): void {
  const storm = program.command("storm").description("what the brake holds: too many clusters at once");

  storm
    .command("list")
    .description("storms that go on; exit code 3 when there are none")
    .option("--all", "those that are over, too")
    .option("--json", "one JSON array")
    .action(async ({ all, json }: { all?: true; json?: true }) => {
      const states = ["going on", ...(all ? ["released", "dropped"] : [])];
      const rows = await context.withDatabase((pool) => sql.storms(pool, states));
      printRows(rows, { json, empty: "No storm." });
      if (rows.length === 0) process.exitCode = 3;
    });

  storm
    .command("release")
    .argument("<id>", "number of the storm")
    .description("decide anew for what it holds")
    .requiredOption("--reason <text>", "why, for those who look later")
    .action(async (id: string, { reason }: { reason: string }) => {
      await context.withDatabase((pool) => sql.releaseStorm(pool, id, reason));
      console.log(`Storm ${id} is released; what it held is decided anew.`);
    });

  storm
    .command("drop")
    .argument("<id>", "number of the storm")
    .description("hold what waits until the issue goes")
    .requiredOption("--reason <text>", "why, for those who look later")
    .action(async (id: string, { reason }: { reason: string }) => {
      await context.withDatabase((pool) => sql.dropStorm(pool, id, reason));
      console.log(`Storm ${id} is dropped; what it held stays held until the issue goes.`);
    });
}
