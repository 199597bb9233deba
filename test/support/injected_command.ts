import assert from "node:assert/strict";
import { runCcx } from "./command.ts";
import type { TestDatabase } from "./database.ts";
import { catalogOf } from "./injections.ts";
import { noteStatements } from "./statements.ts";

/** One text with everything that could end a literal; a name, and as far as SQL is concerned no more. */
export const evil = `x'; drop table new_reports; -- "$$ \\ %s _`;

/** Whether this has it, as it is or in JSON. */
export const hasEvil = (text: string): boolean =>
  text.includes(evil) || text.includes(JSON.stringify(evil).slice(1, -1));

/** A command as the name of a test. */
export const named = (command: string[]): string => command.map((word) => word.replace(evil, "…")).join(" ");

/** Runs the command; returns what arrived at the server, and fails when an object came or went. */
export async function runInjected(
  database: TestDatabase,
  command: string[],
): Promise<{ code: number | null; texts: readonly string[]; values: readonly string[] }> {
  const before = await catalogOf(database.pool);
  await using statements = await noteStatements(database.url);
  const { code, stderr } = await runCcx(command, { DATABASE_URL: statements.url });
  assert.ok(code === 0 || code === 1 || code === 3, `${code}: ${stderr}`);
  if (code === 1) assert.match(stderr, /^(ccx: .+\n)+$/);
  assert.doesNotMatch(stderr, /syntax error at|unterminated|^ +at /m);
  assert.deepEqual(await catalogOf(database.pool), before);
  return { code, texts: statements.texts, values: statements.values };
}
