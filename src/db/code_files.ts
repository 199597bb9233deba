import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";

const sqlFolder = path.join(import.meta.dirname, "../../sql");

/**
 * What `ccx migrate` loads from sql/: a function, a view, a type, a trigger, or the comments of a room's
 * tables.
 */
export type CodeObject = {
  kind: "function" | "view" | "type" | "trigger" | "comments";
  /**
   * kind and name, by which it is known to the database: `function public.decide`, `trigger _100_history on
   * policy`
   */
  name: string;
  /** the file below sql/ */
  file: string;
  /** the statements that create or replace it */
  sql: string;
  /** SHA-256 of `sql`, in hexadecimal */
  hash: string;
};

/**
 * Everything that `ccx migrate` loads, in the order in which sql/index.sql lists it; triggers come last. The
 * functions in sql/stored/ are left out: stored values depend on them, so the migrations bring them.
 * @throws Error when a file is listed twice, or creates no object or several
 */
export async function readCode(folder = sqlFolder): Promise<CodeObject[]> {
  const objects: CodeObject[] = [];
  for (const file of await included("index.sql", folder)) {
    if (file.startsWith("stored/")) continue;
    const text = await readFile(path.join(folder, file), "utf8");
    objects.push(...objectsOf(text, file));
  }
  const names = objects.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice) throw new Error(`sql/ creates ${twice} twice`);
  return objects;
}

/** The files that a file includes, in their order; an index.sql stands for those that it includes itself. */
async function included(file: string, folder: string): Promise<string[]> {
  const text = await readFile(path.join(folder, file), "utf8");
  const named = [...text.matchAll(/^--!include (\S+)$/gm)].map(([, name]) => name as string);
  const files = await Promise.all(
    named.map((name) => (path.basename(name) === "index.sql" ? included(name, folder) : [name])),
  );
  return files.flat();
}

/**
 * What a file of sql/ creates: a page of triggers several, any other file one.
 * @throws Error when it does not
 */
export function objectsOf(text: string, file: string): CodeObject[] {
  return path.basename(file) === "triggers.sql" ? triggersOf(text, file) : [objectOf(text, file)];
}

const creates = /^create (?:or replace )?(function|view|type) (?:(\w+)\.)?(\w+)/gm;

function objectOf(text: string, file: string): CodeObject {
  if (path.basename(file) === "tables.sql")
    return object("comments", `comments ${path.dirname(file)}`, file, text);
  const [created, ...others] = text.matchAll(creates);
  if (!created || others.length > 0) throw new Error(`sql/${file} has to create one function, view or type`);
  const kind = created[1] as "function" | "view" | "type";
  return object(kind, `${kind} ${created[2] ?? "public"}.${created[3]}`, file, text);
}

/** A page of `create trigger` statements, each of which ends at the end of a line. */
function triggersOf(text: string, file: string): CodeObject[] {
  const statements = text.matchAll(
    /^create (?:or replace |constraint )?trigger (\w+)\s[^;]*?\son (?:public\.)?(\w+(?:\.\w+)?)[^;]*;$/gm,
  );
  return [...statements].map(([sql, name, table]) =>
    object("trigger", `trigger ${name} on ${table}`, file, sql),
  );
}

function object(kind: CodeObject["kind"], name: string, file: string, sql: string): CodeObject {
  return { kind, name, file, sql, hash: createHash("sha256").update(sql).digest("hex") };
}
