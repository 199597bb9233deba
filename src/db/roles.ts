import { setTimeout as sleep } from "node:timers/promises";
import type { ClientBase } from "pg";
import type { Logger } from "pino";
import { ConfigurationError, messageOf } from "../errors.ts";
import { codeOf, troubleOf } from "./errors.ts";
import { backoffMs } from "./wait.ts";

/** A statement that the database still needs to have its roles, and the privilege that it takes. */
export type RoleChange = { position: number; statement: string; needs: string };

/** How long a statement waits for a table that somebody uses, and how often it is tried. */
const lockTimeout = "3s";
const tries = 20;

/** Each round may show more: what a role may do can only be granted once it is there. */
const rounds = 5;

/**
 * What of the roles, policies and rights in sql/roles/ the database does not have, in the order to run it.
 */
export async function roleChanges(db: Pick<ClientBase, "query">): Promise<RoleChange[]> {
  const { rows } = await db.query<RoleChange>(
    "select position, statement, needs from ccx.role_change order by position",
  );
  return rows;
}

/**
 * Brings roles, row-level security and rights in step with sql/roles/, statement by statement, so that no
 * table is locked for longer than its own change takes. Returns how many statements that were.
 * @throws ConfigurationError that names, for each statement that could not be run, the privilege that is
 *   missing
 */
export async function applyRoles(client: ClientBase, log: Logger): Promise<number> {
  const failed = new Map<string, string>();
  let done = 0;
  await client.query(`set lock_timeout = '${lockTimeout}'`);
  await client.query("set search_path = public, ccx");
  for (let round = 0; round < rounds; round++) {
    const wanted = (await roleChanges(client)).filter(({ statement }) => !failed.has(statement));
    if (wanted.length === 0) break;
    for (const { statement, needs } of wanted) {
      const lacks = await run(client, statement, log);
      if (lacks === undefined) done++;
      else failed.set(statement, `${needs} (${lacks})`);
    }
  }
  if (failed.size === 0) return done;
  const missing = Map.groupBy(failed, ([, needs]) => needs);
  throw new ConfigurationError(
    [
      `The user of DATABASE_URL lacks privileges for ${failed.size} statements of the roles. It needs:`,
      ...[...missing].map(([needs, [first]]) => `  ${needs}, for example for: ${oneLine(first?.[0] ?? "")}`),
      "Grant them, or let a superuser run what `ccx roles script` prints.",
    ].join("\n"),
  );
}

/** Runs a statement; returns what the server says where a privilege is missing for it. */
async function run(client: ClientBase, statement: string, log: Logger): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(statement);
      return undefined;
    } catch (error) {
      const code = codeOf(error) ?? "";
      if (code === "42501") return messageOf(error);
      // two databases of a server make the same roles; or one role's settings are written by two at once
      if (["42710", "23505"].includes(code) && statement.startsWith("create role")) return undefined;
      if (troubleOf(error) !== "in_the_way") throw error;
      if (attempt === tries)
        throw new ConfigurationError(
          `Other sessions hold locks that the roles need: end them, or try again later. ` +
            `(${messageOf(error)})`,
          { cause: error },
        );
      const waitMs = backoffMs(attempt);
      log.info({ error: messageOf(error), waitMs }, "the database is busy, the roles are tried again");
      await sleep(waitMs);
    }
  }
}

const oneLine = (statement: string) => statement.replaceAll(/\s+/g, " ");
