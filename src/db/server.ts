import type { ClientBase, Pool } from "pg";
import { ConfigurationError } from "../errors.ts";
import { behindPooler } from "./errors.ts";

const oldest = 16;

/**
 * Looks whether the server can be what we need before anything is changed or started.
 * @throws ConfigurationError, one sentence, for a PostgreSQL older than 16, another encoding than UTF8, and,
 a
 *   pooler in between, and, where `writes`, a server or database that is read-only
 */
export async function requireServer(pool: Pool, { writes = false } = {}): Promise<void> {
  const { rows } = await pool.query<{
    version: number;
    text: string;
    encoding: string;
    standby: boolean;
    read_only: string;
    time_zone: string;
    search_path: string;
  }>(
    `select current_setting('server_version_num')::integer / 10000 as version,
       current_setting('server_version') as text,
       current_setting('server_encoding') as encoding, pg_is_in_recovery() as standby,
       current_setting('default_transaction_read_only') as read_only, ${session}`,
  );
  const [server] = rows;
  if (!server) throw new Error("the server does not say what it is");
  refuseLostSettings(server);
  if (server.version < oldest)
    throw new ConfigurationError(
      `PostgreSQL ${oldest} or newer is needed; the server of DATABASE_URL is ${server.text}.`,
    );
  if (server.encoding !== "UTF8")
    throw new ConfigurationError(
      `The database of DATABASE_URL has the encoding ${server.encoding}: create it with encoding UTF8.`,
    );
  if (writes && server.standby)
    throw new ConfigurationError(
      "The server of DATABASE_URL is a standby, which is read-only: use its primary.",
    );
  if (writes && server.read_only === "on")
    throw new ConfigurationError(
      "The database of DATABASE_URL is read-only (default_transaction_read_only is on): nothing can be " +
        "changed.",
    );
}

const session = "current_setting('TimeZone') as time_zone, current_setting('search_path') as search_path";

/**
 * Looks whether the connection is a session of its own. A pooler that is set to ignore the settings with
 * which we connect would give wrong times, and nothing to LISTEN.
 * @throws ConfigurationError, one sentence, when it has lost what it was begun with
 */
export async function requireSession(db: Pick<ClientBase, "query">): Promise<void> {
  const { rows } = await db.query<{ time_zone: string; search_path: string }>(`select ${session}`);
  if (rows[0]) refuseLostSettings(rows[0]);
}

function refuseLostSettings(is: { time_zone: string; search_path: string }): void {
  if (is.time_zone !== "UTC" || !is.search_path.startsWith("public"))
    throw new ConfigurationError(behindPooler);
}

/**
 * A database with tables of ours that no migration of ours made belongs to another program, and one whose
 * adoption was interrupted is neither theirs nor ours.
 * @throws ConfigurationError that names one of them, and what to do
 */
export async function refuseForeignTables(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ name: string | null; between: boolean }>(
    `select to_regnamespace('ccx_staging') is not null
         or to_regnamespace('ccx_leaving') is not null as between,
       (select c.relname
        from pg_class c
        where c.relnamespace = to_regnamespace('public') and c.relkind in ('r', 'p')
          and c.relname in ('new_reports', 'reported', 'states', 'notification_types', 'event_targets',
            'read_errors')
          and to_regclass('graphile_migrate.migrations') is null
        order by 1
        limit 1) as name`,
  );
  if (rows[0]?.between)
    throw new ConfigurationError(
      "An adoption of this database was interrupted: run `ccx adopt` again, or `ccx adopt --undo`.",
    );
  if (typeof rows[0]?.name === "string")
    throw new ConfigurationError(
      `The database of DATABASE_URL has a table ${rows[0].name} that ccx-notifications did not make: use ` +
        `an empty database, or take the one of the notification writer over with \`ccx adopt\`.`,
    );
}
