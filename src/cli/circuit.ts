import type { Command } from "commander";
import type { Pool } from "pg";
import { agreed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";

type Circuit = { close?: string; yes?: boolean; json?: boolean };

/** `ccx circuit`: shows the circuits of the targets, or closes one. */
export function addCircuitCommand(program: Command, context: Context): void {
  program
    .command("circuit")
    .description("whether each target is sent to, and why not; exit code 3 when one is not closed")
    .option("--close <target>", "close it now; exit code 3 when it is closed already")
    .option("--yes", "do not ask")
    .option("--json", "one JSON array")
    .action(async (given: Circuit) => {
      await context.withDatabase((pool) => circuit(pool, given));
    });
}

async function circuit(pool: Pool, { close, yes, json }: Circuit): Promise<void> {
  const { rows } = await pool.query(
    `select * from delivery_circuit
     where $1::text is null or target = (select t.name from event_targets t where t.id = target_id($1))
     order by target`,
    [close ?? null],
  );
  if (close === undefined) {
    printRows(rows, { json, empty: "No target." });
    if (rows.some(({ state }) => state !== "closed")) process.exitCode = 3;
    return;
  }
  if (rows.every(({ state }) => state === "closed")) {
    printRows(json ? rows : [], { json, empty: `The circuit of ${close} is closed already.` });
    process.exitCode = 3;
    return;
  }
  if (!json) printRows(rows, { empty: "" });
  await agreed(yes, `Close the circuit of ${close}?`, "Nothing was closed.");
  const {
    rows: [done],
  } = await pool.query("select close_circuit($1) as closed", [close]);
  if (json) {
    const after = await pool.query("select * from delivery_circuit where target = $1", [close]);
    printRows(after.rows, { json, empty: "" });
  } else console.log(done.closed ? `Closed: ${close}.` : `The circuit of ${close} is closed already.`);
  if (!done.closed) process.exitCode = 3;
}
