import type { Pool } from "pg";
import * as sql from "../sql.ts";
import { ContentError } from "./error.ts";
import { maxTotalBytes } from "./files.ts";
import { readContent } from "./read.ts";
import type { RuleContent } from "./rule_content.ts";

/**
 * Takes over a folder of rule content, as `storeContent` does. Throws ContentError that names the bad file.
 */
export async function loadContent(pool: Pool, directory: string): Promise<sql.Loaded> {
  return storeContent(pool, await readContent(directory));
}

/**
 * Takes over the whole rule content (SQL load_content) in one transaction; what did not change gets no new
 * version. Throws ContentError when it is over 50 MiB; then nothing has changed.
 */
export async function storeContent(pool: Pool, content: readonly RuleContent[]): Promise<sql.Loaded> {
  return sql.loadContent(pool, inJson(content));
}

/**
 * What SQL load_content takes. Throws ContentError when it is over 50 MiB: a rule's text counts for each of
 * its error keys, and a few MB of files could become more than a string can hold.
 */
export function inJson(content: readonly RuleContent[]): string {
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
  return `[${parts.join(",")}]`;
}
