import type { Command } from "commander";
import { adoptCell, readCell } from "../cell/sql.ts";
import { ConfigurationError } from "../errors.ts";
import { agreed } from "./confirm.ts";
import type { Context } from "./context.ts";
import { printRows } from "./output.ts";

/** `ccx cell`: which share of the clusters the database has; makes a copy of a database a cell. */
export function addCellCommands(program: Command, context: Context): void {
  const cell = program.command("cell").description("which share of the clusters this database has");

  cell
    .command("show")
    .description("print the name and the buckets of the database")
    .option("--json", "one JSON array")
    .action(async ({ json }: { json?: true }) => {
      const { name, buckets, adopted_at } = await context.withDatabase(readCell);
      printRows([{ name, buckets, adopted_at: adopted_at?.toISOString() ?? "" }], { json, empty: "" });
    });

  cell
    .command("adopt")
    .description("make the database a cell, and delete the clusters of all others from it")
    .argument("<name>", "the name of the cell, which CCX_CELL has to repeat")
    .requiredOption("--buckets <list>", "what it keeps, for instance 0-127 or 0-63,192-255")
    .option("--with-uploads", "it keeps all uploads; for one of the cells")
    .option("--yes", "delete without asking")
    .option("--json", "one JSON array")
    .action(async (name: string, given: { buckets: string; withUploads?: true; yes?: true; json?: true }) => {
      const buckets = multirangeOf(given.buckets);
      const rows = await context.withDatabase(async (pool) => {
        const question = `What is not in ${given.buckets} is deleted from this database for ever. Go on?`;
        await agreed(given.yes, question, "Nothing was deleted.");
        return adoptCell(pool, name, buckets, given.withUploads ?? false);
      });
      printRows(rows, { json: given.json, empty: "No row belonged to another cell." });
    });
}

/**
 * Buckets as people write them, `0-127,200`, as a multirange. Throws ConfigurationError for anything else.
 */
function multirangeOf(list: string): string {
  const ranges = list.split(",").map((one) => {
    const [, from = "", to = from] = /^\s*(\d{1,3})(?:-(\d{1,3}))?\s*$/.exec(one) ?? [];
    if (from === "" || Number(to) < Number(from) || Number(to) > 255)
      throw new ConfigurationError("--buckets has to be a list such as 0-127,200, of numbers from 0 to 255.");
    return `[${from},${Number(to) + 1})`;
  });
  return `{${ranges.join(",")}}`;
}
