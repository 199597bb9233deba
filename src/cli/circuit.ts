import type { Command } from "commander";
import type { Pool } from "pg";
import { agreed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";
import * as sql from "./sql.ts";

type List = { target?: string; json?: boolean };
type Close = { target: string; yes?: boolean; json?: boolean };

/** `ccx circuit list|close`: whether each target is sent to. */
export function addCircuitCommands(program: Command, context: Context): void {
  const circuit = program.command("circuit").description("whether each target is sent to, and why not");

  circuit
    .command("list")
    .description("the circuits; exit code 3 when one is not closed")
    .option("--target <name>", "only of this target")
    .option("--json", "one JSON array")
    .action(async ({ target, json }: List) => {
      const rows = await context.withDatabase(async (pool) => {
        if (target !== undefined) await sql.targetId(pool, target);
        return sql.deliveryCircuit(pool, target);
      });
      printRows(rows, { json, empty: "No target." });
      if (rows.some(({ state }) => state !== "closed")) process.exitCode = 3;
    });

  circuit
    .command("close")
    .description("send to a target again from now on; exit code 3 when its circuit is closed already")
    .requiredOption("--target <name>", "the target, for example 'service log'")
    .option("--yes", "do not ask")
    .option("--json", "one JSON array")
    .action(async (given: Close) => {
      await context.withDatabase((pool) => close(pool, given));
    });
}

async function close(pool: Pool, { target, yes, json }: Close): Promise<void> {
  await sql.targetId(pool, target);
  const rows = await sql.deliveryCircuit(pool, target);
  if (rows.every(({ state }) => state === "closed")) {
    printRows(json ? rows : [], { json, empty: `The circuit of ${target} is closed already.` });
    process.exitCode = 3;
    return;
  }
  if (!json) printRows(rows, { empty: "" });
  await agreed(yes, `Close the circuit of ${target}?`, "Nothing was closed.");
  const closed = await sql.closeCircuit(pool, target);
  if (json) printRows(await sql.deliveryCircuit(pool, target), { json, empty: "" });
  else console.log(closed ? `Closed: ${target}.` : `The circuit of ${target} is closed already.`);
  if (!closed) process.exitCode = 3;
}
