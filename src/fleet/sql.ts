import { type AnyRow, anyRow, type Db, rowsOf } from "../db/rows.ts";

const rows = (db: Db, sql: string, values: unknown[] = []): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, sql, values);

/** Where a cell's database is, and as whom it is asked; without a password: as the server trusts us. */
export type Place = {
  cell: string;
  host: string;
  port: number;
  dbname: string;
  login: string;
  password: string | undefined;
  /** who applies settings there; undefined: nobody */
  settingsLogin: string | undefined;
  settingsPassword: string | undefined;
};

/** Makes a cell known. Rejects with NTZ01, NTZ08 and NTZ09, and with class 08 where it does not answer. */
export const attach = (db: Db, it: Place): Promise<AnyRow[]> =>
  rows(db, "select name, buckets from fleet.attach($1, $2, $3, $4, $5, $6, $7, $8)", [
    ...[it.cell, it.host, it.port, it.dbname, it.login, it.password],
    ...[it.settingsLogin, it.settingsPassword],
  ]);

/** Forgets a cell. Rejects with NTZ07. */
export const detach = (db: Db, cell: string): Promise<AnyRow[]> =>
  rows(db, "select fleet.detach($1)", [cell]);

/** How long one question to one cell may take, in milliseconds; after that the cell is away. */
const answersWithinMs = 2_000;

/** How each cell is; one after the other, so that each has its time. */
export async function status(db: Db): Promise<AnyRow[]> {
  await db.query("select set_config('statement_timeout', $1, false)", [String(answersWithinMs)]);
  const all: AnyRow[] = [];
  for (const cell of await cellNames(db))
    all.push(...(await rows(db, "select * from fleet.status($1)", [cell])));
  return all;
}

/** Buckets that belong to no cell, or to several. */
export const bucketFaults = (db: Db): Promise<AnyRow[]> => rows(db, "select * from fleet.bucket_fault");

/** Why the issues of a cluster are or are not notified. Rejects with NTZ10 where no cell has it. */
export const explainCluster = (db: Db, cluster: string): Promise<AnyRow[]> =>
  rows(
    db,
    `select cell, target, component, error_key, decision, reasons, last_notified_at, next_eligible_at
     from fleet.explain_cluster($1) order by target, component, error_key`,
    [cluster],
  );

/** What is set in some cells and not in others. */
export const differences = (db: Db): Promise<AnyRow[]> => rows(db, "select * from fleet.difference");

/** Queues a setting for every cell; `at` undefined: from now on. */
export const queue = (
  db: Db,
  action: string,
  settings: Record<string, unknown>,
  at: string | undefined,
): Promise<AnyRow[]> =>
  rows(db, "select fleet.queue($1, $2, $3) as id", [action, JSON.stringify(settings), at]);

/** The names of the cells that are attached. */
export const cellNames = async (db: Db): Promise<string[]> =>
  (await rows(db, "select name from fleet.cell order by name")).map(({ name }) => String(name));

/** Brings a cell what waits for it. Rejects with NTZ07, and where the cell goes away in the middle. */
export const apply = (db: Db, cell: string): Promise<AnyRow[]> =>
  rows(db, "select $1::text as cell, setting_id, action, state, error from fleet.apply($1)", [cell]);

/** What was queued, and what became of it in each cell. */
export const settings = (db: Db): Promise<AnyRow[]> =>
  rows(
    db,
    "select position, id, action, arguments, at, queued_by, cell, state, error from fleet.settings order by position, cell",
  );
