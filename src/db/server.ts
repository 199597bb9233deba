import type { Pool } from "pg";
import { ConfigurationError } from "../errors.ts";

const oldest = 16;

/**
 * Looks whether the server can be what we need before anything is changed or started.
 * @throws ConfigurationError, one sentence, for a PostgreSQL older than 16, another encoding than UTF8, and, where
 *   `writes`, a server or database that is read-only
 */
export async function requireServer(pool: Pool, { writes = false } = {}): Promise<void> {
  const { rows } = await pool.query<{
    version: number;
    text: string;
    encoding: string;
    standby: boolean;
    read_only: string;
  }>(
    `select current_setting('server_version_num')::integer / 10000 as version, current_setting('server_version') as text,
       current_setting('server_encoding') as encoding, pg_is_in_recovery() as standby,
       current_setting('default_transaction_read_only') as read_only`,
  );
  const [server] = rows;
  if (!server) throw new Error("the server does not say what it is");
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
      "The database of DATABASE_URL is read-only (default_transaction_read_only is on): nothing can be changed.",
    );
}

/**
 * A database with tables of ours that no migration of ours made belongs to another program.
 * @throws ConfigurationError that names one of them
 */
export async function refuseForeignTables(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    `select c.relname as name
     from pg_class c
     where c.relnamespace = to_regnamespace('public') and c.relkind in ('r', 'p')
       and c.relname in ('new_reports', 'reported', 'states', 'notification_types', 'event_targets', 'read_errors')
       and to_regclass('graphile_migrate.migrations') is null
     order by 1
     limit 1`,
  );
  if (rows[0])
    throw new ConfigurationError(
      `The database of DATABASE_URL has a table ${rows[0].name} that ccx-notifications did not make: use an empty database.`,
    );
}
