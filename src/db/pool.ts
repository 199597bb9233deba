import pg from "pg";
import type { Logger } from "pino";
import { messageOf } from "../errors.ts";

const timestamptz = 1184;
/**
 * date and interval: `pg` would make objects of them, which depend on the time zone or print as nothing a
 * person reads
 */
const asTheyAre = new Set([1082, 1186]);

/**
 * Connections to the database. Times come back as ISO 8601 text in UTC with microseconds, since a JavaScript
 * Date would cut them to milliseconds; bigint, date and interval come back as text.
 */
export function createPool(options: {
  databaseUrl: string;
  size: number;
  name: string;
  log: Logger;
  /** where names without a schema are looked up; "public" unless given, whatever the user's own setting is */
  searchPath?: string;
  /** the server ends a statement that takes longer */
  statementTimeoutMs?: number;
}): pg.Pool {
  const types = {
    getTypeParser(oid: number, format?: "text" | "binary") {
      if (asTheyAre.has(oid) && format !== "binary") return (text: string) => text;
      return oid === timestamptz && format !== "binary"
        ? isoUtc
        : pg.types.getTypeParser(oid, format as "text");
    },
  };
  const pool = new pg.Pool({
    connectionString: options.databaseUrl,
    max: options.size,
    application_name: options.name,
    connectionTimeoutMillis: 10_000,
    idle_in_transaction_session_timeout: 60_000,
    keepAlive: true,
    ...(options.statementTimeoutMs !== undefined && { statement_timeout: options.statementTimeoutMs }),
    // a user called ccx would otherwise find, and create, everything in the schema of that name first
    options: `-c timezone=UTC -c datestyle=ISO -c search_path=${options.searchPath ?? "public"}`,
    types: types as never,
  });
  // An idle connection that breaks is not an error of ours: the next query gets a new one, or fails and says
  // why.
  const note = (error: unknown) => options.log.debug({ error: messageOf(error) }, "database connection lost");
  pool.on("error", note);
  pool.on("connect", (client) => client.on("error", note));
  return pool;
}

function isoUtc(text: string): string {
  return text.replace(" ", "T").replace("+00", "Z");
}
