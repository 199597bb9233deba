import type { Pool } from "pg";
import type { AnyRow } from "../../db/rows.ts";
import { undone } from "../../db/undone.ts";
import * as sql from "../sql.ts";
import { inJson } from "./load.ts";
import { readContent } from "./read.ts";
import type { Refused } from "./refused.ts";

/** Rows of the views content_diff and explain_diff, and what would be left out. */
export type ContentDiff = { content: AnyRow[]; decisions: AnyRow[]; refused: readonly Refused[] };

/**
 * What a load of this folder would change, and which open issues would be decided differently: the load is
 * done, looked at, and rolled back. Throws ContentError when nothing can be read.
 */
export async function diffContent(pool: Pool, directory: string): Promise<ContentDiff> {
  const read = await readContent(directory);
  const content = inJson(read, directory);
  return undone(pool, async (client) => {
    await sql.loadContent(client, content);
    const [diff, decisions] = [await sql.contentDiff(client), await sql.explainDiff(client)];
    return { content: diff, decisions, refused: read.refused };
  });
}
