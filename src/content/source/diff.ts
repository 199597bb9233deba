import type { Pool } from "pg";
import type { AnyRow } from "../../db/rows.ts";
import { attempted, undone } from "../../db/undone.ts";
import { messageOf } from "../../errors.ts";
import * as sql from "../sql.ts";
import { inJson } from "./load.ts";
import type { Refused } from "./problems.ts";
import { readContent } from "./read.ts";

/**
 * Rows of the views content_diff and explain_diff, what would be left out, and why a load would need a person
 * who agrees (null: it would not).
 */
export type ContentDiff = {
  content: AnyRow[];
  decisions: AnyRow[];
  refused: readonly Refused[];
  too_much: string | null;
};

/**
 * What a load of this folder would change, and which open issues would be decided differently: the load is
 * done, looked at, and rolled back. Throws ContentError when nothing can be read.
 */
export async function diffContent(pool: Pool, directory: string): Promise<ContentDiff> {
  const read = await readContent(directory);
  const content = inJson(read, directory);
  return undone(pool, async (client) => {
    const tooMuch = await attempted(client, () => sql.loadContent(client, content, false)).then(
      () => null,
      async (error) => {
        if (!sql.isTooMuch(error)) throw error;
        await sql.loadContent(client, content, true);
        return messageOf(error);
      },
    );
    const [diff, decisions] = [await sql.contentDiff(client), await sql.explainDiff(client)];
    return { content: diff, decisions, refused: read.refused, too_much: tooMuch };
  });
}
