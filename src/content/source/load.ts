import type { Pool } from "pg";
import { quotable } from "../../text/clean.ts";
import * as sql from "../sql.ts";
import { ContentError } from "./error.ts";
import { maxTotalBytes } from "./files.ts";
import type { Refused } from "./problems.ts";
import { readContent } from "./read.ts";
import type { SourceContent } from "./refused.ts";

/** What a load did, and what it left out. */
export type Stored = { loaded: sql.Loaded; refused: readonly Refused[] };

/**
 * Takes over a folder of rule content, as `storeContent` does. Throws ContentError when nothing can be read.
 */
export async function loadContent(pool: Pool, directory: string, accepted = false): Promise<Stored> {
  return storeContent(pool, await readContent(directory), directory, accepted);
}

/**
 * Takes over the whole rule content of a source (SQL load_content) in one transaction; what did not change
 * gets no new version, what does not conform keeps its old one. Throws ContentError when it is over 50 MiB,
 * and an error that `sql.isTooMuch` when it would change too much at once and nobody `accepted` that; then
 * nothing has changed.
 */
export async function storeContent(
  pool: Pool,
  read: SourceContent,
  source: string,
  accepted = false,
): Promise<Stored> {
  return { loaded: await sql.loadContent(pool, inJson(read, source), accepted), refused: read.refused };
}

/**
 * What SQL load_content takes. Throws ContentError when it is over 50 MiB: a rule's text counts for each of
 * its error keys, and a few MB of files could become more than a string can hold.
 */
export function inJson({ content, refused }: SourceContent, source: string): sql.Load {
  const parts: string[] = [];
  let bytes = 0;
  for (const entry of content) {
    const part = JSON.stringify(entry);
    bytes += Buffer.byteLength(part);
    if (bytes > maxTotalBytes) {
      const path = `rule ${entry.rule_name}, error key ${entry.error_key}`;
      throw new ContentError(
        path,
        "with this the content is over 50 MiB, the rule's texts counted for each error key",
      );
    }
    parts.push(part);
  }
  return { content: `[${parts.join(",")}]`, refused: JSON.stringify(refused), source: quotable(source, 500) };
}
