import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { glob } from "node:fs/promises";
import path from "node:path";
import { findBinaries, type PostgresVersion, postgresVersions } from "../dev/stack/postgres/binaries.ts";
import { ConfigurationError, messageOf } from "../src/errors.ts";

const usage = `npm run test:versions -- [${postgresVersions.join("|")} …] [FILE …]`;
const root = path.join(import.meta.dirname, "..");
/** Folders of test/ that ask no database anything. */
const withoutDatabase = ["config", "kafka"];

/**
 * `npm run test:versions`: the tests that ask a database, on each version of PostgreSQL that we support, or
 * on those that are named; installs the older ones first. A version that fails does not keep the others from
 * being tested.
 */
async function main(args: string[]): Promise<void> {
  const versions = postgresVersions.filter((version) => args.includes(version));
  const files = args.filter((arg) => !versions.some((version) => version === arg));
  for (const file of files)
    if (!existsSync(path.join(root, file))) throw new ConfigurationError(`there is no ${file}; ${usage}`);
  const failed: string[] = [];
  for (const version of versions.length > 0 ? versions : postgresVersions) {
    await install(version);
    const end = await run(
      process.execPath,
      ["test/run.ts", ...(files.length > 0 ? files : await filesOfAll())],
      { CCX_STACK_POSTGRES: version },
    );
    console.log(`PostgreSQL ${version}: ${end === 0 ? "passed" : `failed (${end})`}`);
    if (end !== 0) failed.push(version);
  }
  if (failed.length > 0) throw new ConfigurationError(`failed on PostgreSQL ${failed.join(", ")}`);
}

async function filesOfAll(): Promise<string[]> {
  const all = await Array.fromAsync(glob("test/**/*.test.ts", { cwd: root }));
  return all.filter((file) => !withoutDatabase.includes(path.dirname(path.relative("test", file)))).sort();
}

/** Does nothing for a version that is installed as package.json says. */
async function install(version: PostgresVersion): Promise<void> {
  const folder = path.join(root, "dev/stack/postgres");
  const packages = await run("npm", ["ls", "--silent"], {}, folder);
  if (packages === 0 && (await findBinaries(version).catch(() => undefined))) return;
  const end = await run("npm", ["ci"], {}, folder);
  if (end !== 0) throw new ConfigurationError(`npm ci in dev/stack/postgres failed (${end})`);
}

/**
 * Resolves to the exit code, or the signal. Servers that the environment names are not of the version to be
 * tested.
 */
async function run(
  command: string,
  args: string[],
  env: Record<string, string>,
  cwd = root,
): Promise<number | string> {
  const { DATABASE_URL: _, ...inherited } = process.env;
  const child = spawn(command, args, { stdio: "inherit", cwd, env: { ...inherited, ...env } });
  const [code, signal] = await once(child, "exit");
  return code ?? signal;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof ConfigurationError ? messageOf(error) : error);
  process.exitCode = 1;
}
