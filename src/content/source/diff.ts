import type { Pool } from "pg";
import type { AnyRow } from "../../db/rows.ts";
import { undone } from "../../db/undone.ts";
import * as sql from "../sql.ts";
import { inJson } from "./load.ts";
import { readContent } from "./read.ts";

/** Rows of the views content_diff and explain_diff. */
export type ContentDiff = { content: AnyRow[]; decisions: AnyRow[] };

/**
 * What a load of this folder would change, and which open issues would be decided differently: the load is
 * done, looked at, and rolled back. Throws ContentError that names the bad file.
 */
export async function diffContent(pool: Pool, directory: string): Promise<ContentDiff> {
  const content = inJson(await readContent(directory));
  return undone(pool, async (client) => {
    await sql.loadContent(client, content);
    return { content: await sql.contentDiff(client), decisions: await sql.explainDiff(client) };
  });
}
