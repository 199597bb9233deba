import type { Pool } from "pg";
import { z } from "zod";
import { readContent } from "./read.ts";

const loaded = z.object({
  added: z.number(),
  changed: z.number(),
  removed: z.number(),
  unchanged: z.number(),
});

/** How many rule × error key contents a load added, changed, removed and left alone. */
export type Loaded = z.infer<typeof loaded>;

/**
 * Takes over a folder of rule content (SQL load_content): validated whole, then swapped in one transaction.
 * Throws ContentError that names the bad file; then nothing has changed.
 */
export async function loadContent(pool: Pool, directory: string): Promise<Loaded> {
  const content = await readContent(directory);
  const { rows } = await pool.query(
    "select added, changed, removed, unchanged from load_content($1::jsonb)",
    [JSON.stringify(content)],
  );
  return loaded.parse(rows[0]);
}
