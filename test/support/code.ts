import assert from "node:assert/strict";
import type { ClientBase, Pool } from "pg";
import { type CodeObject, objectsOf, readCode } from "../../src/db/code_files.ts";
import { type Loaded, loadCode } from "../../src/db/load_code.ts";
import { createLogger } from "../../src/log.ts";

/** What sql/ has. */
export const code: readonly CodeObject[] = await readCode();

/** The objects of these texts, each as if it were a file of sql/ that nothing else of sql/ uses. */
export const anObject = (...texts: string[]): CodeObject[] =>
  texts.flatMap((text) => {
    const isTrigger = /^create (or replace |constraint )*trigger/.test(text);
    const [, name = "it"] = /^create (?:or replace )?\w+ (?:\w+\.)?(\w+)/m.exec(text) ?? [];
    return objectsOf(text, isTrigger ? "triggers.sql" : `test/${name}.sql`);
  });

/** The code with another text of one object. */
export function changed(
  objects: readonly CodeObject[],
  name: string,
  change: (sql: string) => string,
): CodeObject[] {
  const before = objects.find((object) => object.name === name);
  assert.ok(before, name);
  const sql = change(before.sql);
  assert.notEqual(sql, before.sql, name);
  return objects.map((object) => (object === before ? withSql(object, sql) : object));
}

/** The same object with another text, which hashes differently. */
function withSql(object: CodeObject, sql: string): CodeObject {
  const [changed] = objectsOf(sql, object.file);
  assert.equal(changed?.name, object.name);
  return changed as CodeObject;
}

/** Loads sql/ and these objects, as a release would that has them. */
export async function load(pool: Pool, ...own: (string | CodeObject)[]): Promise<Loaded> {
  return loadAll(pool, [...code, ...own.flatMap((one) => (typeof one === "string" ? anObject(one) : [one]))]);
}

/** Loads these objects and nothing else. */
export async function loadAll(pool: Pool, objects: readonly CodeObject[]): Promise<Loaded> {
  const client = await pool.connect();
  try {
    return await loadCode(client, createLogger("silent"), objects);
  } finally {
    client.release();
  }
}

/** Notes every statement of a client until `work` is done. */
export async function statementsOf(client: ClientBase, work: () => Promise<unknown>): Promise<string[]> {
  const statements: string[] = [];
  const query = client.query;
  client.query = ((...args: unknown[]) => {
    statements.push(typeof args[0] === "string" ? args[0] : String((args[0] as { text: string }).text));
    return Reflect.apply(query, client, args);
  }) as typeof client.query;
  try {
    await work();
  } finally {
    client.query = query;
  }
  return statements;
}
