import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Logger } from "pino";
import { messageOf } from "../errors.ts";
import { parseJson } from "../text/json.ts";

const timestamptz = 1184;
/**
 * date and interval: `pg` would make objects of them, which depend on the time zone or print as nothing a
 * person reads
 */
const asTheyAre = new Set([1082, 1186]);
const json = new Set([114, 3802]);

/**
 * Connections to the database. Times come back as ISO 8601 text in UTC with microseconds, since a JavaScript
 * Date would cut them to milliseconds; bigint, date and interval come back as text. Numbers
 * in JSON that a double cannot hold are texts of their digits.
 */
export function createPool(options: {
  databaseUrl: string;
  size: number;
  /** how many connections stay while there is nothing to do; none unless given */
  keep?: number;
  name: string;
  log: Logger;
  /** where names without a schema are looked up; "public" unless given, whatever the user's own setting is */
  searchPath?: string;
  /** called with each new connection before it is used; where it rejects, so does whoever wanted one */
  onConnect?: (client: pg.ClientBase) => Promise<void>;
  /** the server ends a statement that takes longer */
  statementTimeoutMs?: number;
  /** how long to wait for a connection; ten seconds unless given */
  connectWithinMs?: number;
}): pg.Pool {
  const types = {
    getTypeParser(oid: number, format?: "text" | "binary") {
      if (asTheyAre.has(oid) && format !== "binary") return (text: string) => text;
      if (json.has(oid) && format !== "binary") return parseJson;
      return oid === timestamptz && format !== "binary"
        ? isoUtc
        : pg.types.getTypeParser(oid, format as "text");
    },
  };
  const given = ownOptions(options.databaseUrl);
  const pool = new pg.Pool({
    connectionString: given.databaseUrl,
    max: options.size,
    min: options.keep ?? 0,
    application_name: options.name,
    connectionTimeoutMillis: options.connectWithinMs ?? 10_000,
    idle_in_transaction_session_timeout: 60_000,
    keepAlive: true,
    ...(options.statementTimeoutMs !== undefined && { statement_timeout: options.statementTimeoutMs }),
    // a user called ccx would otherwise find, and create, everything in the schema of that name first
    options:
      `${given.options} -c timezone=UTC -c datestyle=ISO ` +
      `-c search_path=${options.searchPath ?? "public"}`,
    types: types as never,
    ...(options.onConnect && { onConnect: options.onConnect }),
  });
  // An idle connection that breaks is not an error of ours: the next query gets a new one, or fails and says
  // why.
  const note = (error: unknown) => options.log.debug({ error: messageOf(error) }, "database connection lost");
  pool.on("error", note);
  pool.on("connect", (client) => client.on("error", note));
  const query = async (asked: string | pg.QueryConfig, values?: unknown[]) =>
    queryOn(await pool.connect(), asked, values);
  return Object.assign(pool, { query }) as pg.Pool;
}

/**
 * Asks once, and gives the connection back.
 *
 * What the server refuses it says before it has undone it: for a moment all that the statement had locked is
 * locked still, and whoever asks on another connection for what nobody has locked (`skip locked`) finds
 * nothing to do. So the error is handed on only when the connection is ready again.
 */
export async function queryOn(
  client: pg.PoolClient,
  asked: string | pg.QueryConfig,
  values?: unknown[],
): Promise<pg.QueryResult> {
  try {
    const answer = await client.query(asked as string, values);
    client.release();
    return answer;
  } catch (error) {
    if (error instanceof pg.DatabaseError) {
      const nothing = { text: ";", query_timeout: undoneWithinMs };
      await client.query(nothing).catch(() => undefined);
    }
    client.release(error as Error); // as the pool itself does: whatever its state is, it is gone
    throw error;
  }
}

/** After so long it is as good as never undone. */
const undoneWithinMs = 1_000;

/**
 * Closes the connections, those in use once they are given back; waits for that for `withinMs` at most, since
 * a statement that hangs never gives its connection back. Whoever ends the process then need not wait.
 */
export async function endPool(pool: pg.Pool, withinMs = 1_000): Promise<void> {
  const ended = new AbortController();
  const tooLate = sleep(withinMs, undefined, { signal: ended.signal }).catch(() => undefined);
  try {
    await Promise.race([pool.end(), tooLate]);
  } finally {
    ended.abort();
  }
}

/** The `options` of a URL, which `pg` would take in place of ours, and the URL without them. */
function ownOptions(databaseUrl: string): { databaseUrl: string; options: string } {
  const url = new URL(databaseUrl);
  const options = url.searchParams.get("options") ?? "";
  url.searchParams.delete("options");
  return options === "" ? { databaseUrl, options } : { databaseUrl: url.href, options };
}

function isoUtc(text: string): string {
  return text.replace(" ", "T").replace("+00", "Z");
}
