import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Pool } from "pg";
import { readCode } from "./code_files.ts";
import { migrationsFolder } from "./release.ts";

const schemas = ["ccx", "graphile_worker", "graphile_migrate"];

/**
 * Drops everything that `migrate` has made, and whatever depends on it; other tables of the database stay. In
 * one transaction; does nothing where nothing is there.
 */
export async function dropTables(pool: Pool): Promise<void> {
  const tables = await ourTables();
  const code = (await readCode())
    .map(({ name }) => /^(function|view|type) public\.(\w+)$/.exec(name))
    .flatMap((found) => (found ? [{ kind: found[1] ?? "", name: found[2] ?? "" }] : []));
  const of = (kind: string) => code.filter((object) => object.kind === kind).map(({ name }) => name);
  await pool.query(
    [
      "begin",
      ...schemas.map((schema) => `drop schema if exists ${schema} cascade`),
      ...of("view").map((name) => `drop view if exists public.${name} cascade`),
      ...tables.map((name) => `drop table if exists public.${name} cascade`),
      ...of("function").map((name) => `drop routine if exists public.${name} cascade`),
      ...of("type").map((name) => `drop type if exists public.${name} cascade`),
      "drop schema if exists extensions cascade",
      "commit",
    ].join("; "),
  );
}

/** The tables of the schema public that the migrations make. */
async function ourTables(): Promise<string[]> {
  const folder = path.join(migrationsFolder, "committed");
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql"));
  const texts = await Promise.all(files.map((file) => readFile(path.join(folder, file), "utf8")));
  return texts.flatMap((text) =>
    [...text.matchAll(/^create (?:unlogged )?table (?:public\.)?(\w+) (?!.*partition of)/gm)].map(
      ([, name = ""]) => name,
    ),
  );
}
