import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { appendFile, chown, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { ConfigurationError } from "../../../src/errors.ts";
import type { Guard } from "../guard.ts";
import { endOfLog, restartable, type Server, startServer } from "../server.ts";
import { chosenVersion, findBinaries, type PostgresVersion } from "./binaries.ts";

export type RunningPostgres = Server & { readonly url: string };

// not ccx: a user of that name would have the schema ccx in front of its search path
const role = "dev";
const databaseName = "ccx";

/**
 * Starts an empty PostgreSQL (18, or what CCX_STACK_POSTGRES says) on loopback, with a database `ccx` and a
 * superuser `ccx` without password.
 * @param directory an empty folder for its data and its log; it stays behind when the server stops
 * @throws ConfigurationError if the binaries are not installed or must not be run by the user it needs;
 *   Error with the end of its log if it does not start
 */
export async function startPostgres(directory: string, guard: Guard): Promise<RunningPostgres> {
  const version = chosenVersion();
  const binaries = await findBinaries(version);
  const user = unprivilegedUser();
  const data = path.join(directory, "data");
  const logFile = path.join(directory, "postgres.log");
  await mkdir(data, { mode: 0o700 });
  if (user) await Promise.all([directory, data].map((folder) => chown(folder, user.uid, user.gid)));
  const run = runnerOf(directory, logFile, user, guard);

  const initdb = await run(binaries.initdb, initdbArguments(data, version), "SIGKILL");
  const result = await initdb.wait();
  if (result !== 0)
    throw new Error(`PostgreSQL: initdb ended with ${result}. The end of its log:\n${endOfLog(logFile)}`);

  // SIGQUIT: at once, no checkpoint; the data is thrown away, but unlike after SIGKILL no shared memory
  // stays.
  const serve = (port: number) => run(binaries.postgres, ["-D", data, "-p", String(port)], "SIGQUIT");
  const { process: server, answer: port } = await startServer(
    "PostgreSQL",
    logFile,
    ([port]) => serve(port),
    ([port]) => asked(port, `create database ${databaseName}`),
  );
  const url = `postgres://${role}@127.0.0.1:${port}/${databaseName}`;
  const again = () => serve(port);
  return Object.assign(
    restartable("PostgreSQL", logFile, server, again, () => asked(port, "select 1")),
    { url },
  );
}

/**
 * Starts a standby of a primary that `startPostgres` started: a copy of its data that follows it. The primary
 * does not wait for it until it is named in `synchronous_standby_names`; its name there is `standby`.
 * @param directory an empty folder, as for the primary
 * @throws as `startPostgres`
 */
export async function startStandby(
  directory: string,
  primary: RunningPostgres,
  guard: Guard,
): Promise<RunningPostgres> {
  const binaries = await findBinaries(chosenVersion());
  const user = unprivilegedUser();
  const data = path.join(directory, "data");
  const logFile = path.join(directory, "postgres.log");
  if (user) await chown(directory, user.uid, user.gid);
  const from = new URL(primary.url);
  // One session from start to stop, or the backup would end with the first.
  const client = new pg.Client({ connectionString: primary.url });
  await client.connect();
  try {
    const shown = await client.query<{ data_directory: string }>("show data_directory");
    await client.query("select pg_backup_start('standby', fast => true)");
    // pg_basebackup is not in the packages. This one keeps owners and modes, which PostgreSQL insists on.
    await promisify(execFile)("cp", ["-a", shown.rows[0]?.data_directory ?? "", data]);
    const stopped = await client.query<{ labelfile: string }>("select labelfile from pg_backup_stop()");
    const settings = [
      `primary_conninfo = 'host=${from.hostname} port=${from.port} user=${role} application_name=standby'`,
      "hot_standby_feedback = on",
    ];
    await rm(path.join(data, "postmaster.pid"), { force: true });
    const files = { backup_label: stopped.rows[0]?.labelfile ?? "", "standby.signal": "" };
    for (const [name, content] of Object.entries(files)) {
      await writeFile(path.join(data, name), content);
      if (user) await chown(path.join(data, name), user.uid, user.gid);
    }
    await appendFile(path.join(data, "postgresql.auto.conf"), `${settings.join("\n")}\n`);
  } finally {
    await client.end();
  }
  const run = runnerOf(directory, logFile, user, guard);
  const serve = (port: number) => run(binaries.postgres, ["-D", data, "-p", String(port)], "SIGQUIT");
  const { process: server, answer: port } = await startServer(
    "PostgreSQL",
    logFile,
    ([port]) => serve(port),
    ([port]) => asked(port, "select 1"),
  );
  const again = () => serve(port);
  return Object.assign(
    restartable("PostgreSQL", logFile, server, again, () => asked(port, "select 1")),
    { url: `postgres://${role}@127.0.0.1:${port}/${databaseName}` },
  );
}

/** How programs of PostgreSQL are run: as a user who may, and without the settings of the person's own one. */
function runnerOf(
  directory: string,
  logFile: string,
  user: ReturnType<typeof unprivilegedUser>,
  guard: Guard,
) {
  // PGPORT, PGOPTIONS, PGDATA …
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name)),
  );
  const options = { logFile, cwd: directory, env: { ...env, TZ: "UTC" }, ...user };
  return async (program: string, args: readonly string[], signal: NodeJS.Signals) => {
    try {
      return await guard.spawn(program, args, { ...options, signal });
    } catch (cause) {
      const who = user ? `the user ${user.name}, because it refuses to run as root` : "you";
      throw new ConfigurationError(
        `PostgreSQL runs as ${who}; that user cannot execute ${program}: ` +
          "move the checkout to a folder that everybody may read, or set DATABASE_URL",
        { cause },
      );
    }
  };
}

/** Runs a statement on the server at a port, and gives the port back. */
async function asked(port: number, sql: string): Promise<number> {
  const client = new pg.Client({
    connectionString: `postgres://${role}@127.0.0.1:${port}/postgres`,
    connectionTimeoutMillis: 2_000,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end();
  }
  return port;
}

/**
 * What CCX_STACK_SETTINGS says (`shared_buffers=4GB work_mem=16MB`), for benchmarks on a server as one would
 * run it.
 */
function givenSettings(): Record<string, string> {
  const given = process.env.CCX_STACK_SETTINGS?.split(" ").filter((word) => word !== "") ?? [];
  return Object.fromEntries(
    given.map((word) => {
      const [, name, value] = /^([a-z_]+)=(.+)$/.exec(word) ?? [];
      if (!name || !value)
        throw new ConfigurationError(`CCX_STACK_SETTINGS has name=value words, not ${word}`);
      return [name, value];
    }),
  );
}

function initdbArguments(data: string, version: PostgresVersion): string[] {
  const settings = {
    listen_addresses: "127.0.0.1",
    // Only TCP: the path of a socket in a long temporary folder may exceed what the system allows.
    unix_socket_directories: "",
    max_connections: "200",
    max_prepared_transactions: "10",
    shared_buffers: "256MB",
    fsync: "off",
    full_page_writes: "off",
    synchronous_commit: "on",
    // npm run test:timezones proves that nothing depends on it
    timezone: process.env.CCX_STACK_TIMEZONE ?? "UTC",
    log_timezone: "UTC",
    client_encoding: "UTF8",
    ...givenSettings(),
  };
  return [
    `--pgdata=${data}`,
    `--username=${role}`,
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    // The built-in C.UTF-8 is the same everywhere, whatever locales the system has; 16 has only the system's.
    ...(version === "16"
      ? ["--lc-ctype=C.UTF-8"]
      : ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]),
    "--no-sync",
    "--no-instructions",
    ...Object.entries(settings).map(([name, value]) => `--set=${name}=${value}`),
  ];
}

/** PostgreSQL refuses to run as root: then it runs as `nobody`, whom every system has. */
function unprivilegedUser(): { name: string; uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [, uid, gid] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8")) ?? [];
  if (!uid || !gid)
    throw new ConfigurationError(
      "PostgreSQL refuses to run as root, and there is no user nobody that it could run as: " +
        "start as another user, or set DATABASE_URL",
    );
  return { name: "nobody", uid: Number(uid), gid: Number(gid) };
}
