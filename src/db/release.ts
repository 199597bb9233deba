import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Pool } from "pg";
import { ConfigurationError } from "../errors.ts";
import { release } from "../version.ts";
import { phaseOf, whyNotOurs } from "./adoption/phase.ts";
import { loadedObjects } from "./code_catalog.ts";
import { readCode } from "./code_files.ts";
import { codeOf } from "./errors.ts";
import { isInStep } from "./load_code.ts";

export const migrationsFolder = path.join(import.meta.dirname, "../../migrations");

/** The hashes of this release's migrations, by which graphile-migrate knows them. */
export async function committedMigrations(): Promise<string[]> {
  const folder = path.join(migrationsFolder, "committed");
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql"));
  const texts = await Promise.all(files.map((file) => readFile(path.join(folder, file), "utf8")));
  return texts.map((text) => /^--! Hash: (\S+)$/m.exec(text)?.[1] ?? "");
}

/** The tables that this release's migrations make in the schema public. */
export async function tableNames(): Promise<string[]> {
  const folder = path.join(migrationsFolder, "committed");
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql"));
  const texts = await Promise.all(files.map((file) => readFile(path.join(folder, file), "utf8")));
  const creates = /^create (?:unlogged )?table (?:if not exists )?(?:public\.)?(\w+)(?= \(| partition of)/gm;
  return texts.flatMap((text) => [...text.matchAll(creates)].map(([, name]) => name as string));
}

/** The hashes of the migrations that the database has had. */
export async function databaseMigrations(pool: Pick<Pool, "query">): Promise<string[]> {
  const { rows } = await pool.query<{ hash: string }>("select hash from graphile_migrate.migrations");
  return rows.map(({ hash }) => hash);
}

/**
 * A service works only with the tables and functions of its own release.
 * @throws ConfigurationError that says what to do, when the database was never migrated, is of an older or a
 * newer release, or is the notification writer's
 */
export async function requireSameRelease(pool: Pool): Promise<void> {
  try {
    const [run, committed] = [await databaseMigrations(pool), await committedMigrations()];
    if (run.some((hash) => !committed.includes(hash)))
      throw new ConfigurationError(
        `The database is of a newer release than this program (${release}): start the program of that ` +
          `release.`,
      );
    if (committed.some((hash) => !run.includes(hash)))
      throw new ConfigurationError(
        `The database is of an older release than this program (${release}): run \`ccx migrate\`.`,
      );
    if (isInStep(await readCode(), await loadedObjects(pool))) return;
    const { rows } = await pool.query<{ release: string; loaded_at: string }>(
      "select release, loaded_at from ccx.code_load order by id desc limit 1",
    );
    const loaded = rows[0] ? `release ${rows[0].release}, loaded at ${rows[0].loaded_at}` : "none";
    throw new ConfigurationError(
      `The functions of the database (${loaded}) are not those of this program (release ${release}): run ` +
        `\`ccx migrate\` of the release that is to run, then start that program.`,
    );
  } catch (error) {
    if (["42P01", "3F000"].includes(codeOf(error) ?? ""))
      throw new ConfigurationError(
        whyNotOurs(await phaseOf(pool)) ??
          "The database has not been migrated to this version: run `ccx migrate`.",
        { cause: error },
      );
    throw error;
  }
}
