import { type AnyRow, anyRow, type Db, rowOf, rowsOf } from "../db/rows.ts";

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
  rowsOf(db, anyRow, "select name, buckets from fleet.attach($1, $2, $3, $4, $5, $6, $7, $8)", [
    ...[it.cell, it.host, it.port, it.dbname, it.login, it.password],
    ...[it.settingsLogin, it.settingsPassword],
  ]);

/** Forgets a cell. Rejects with NTZ07. */
export const detach = (db: Db, cell: string): Promise<AnyRow> =>
  rowOf(db, anyRow, "select fleet.detach($1)", [cell]);

/** The cells that are attached. */
const attached = (db: Db): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select name from fleet.cell order by name");

/** Their names. */
export const cellNames = async (db: Db): Promise<string[]> =>
  (await attached(db)).map(({ name }) => String(name));

/** How long one question to one cell may take; after that the cell is away. */
const answersWithin = "2s";

const limitTime = (db: Db): Promise<AnyRow> =>
  rowOf(db, anyRow, "select set_config($1, $2, $3)", ["statement_timeout", answersWithin, false]);

const statusOf = (db: Db, cell: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from fleet.status($1)", [cell]);

/** How each cell is; asked one after the other, so that each has its time. */
export async function status(db: Db): Promise<AnyRow[]> {
  await limitTime(db);
  const all: AnyRow[] = [];
  for (const cell of await cellNames(db)) all.push(...(await statusOf(db, cell)));
  return all;
}

/** Buckets that belong to no cell, or to several. */
export const bucketFaults = (db: Db): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from fleet.bucket_fault");

/** Why the issues of a cluster are or are not notified. Rejects with NTZ10 where no cell has it. */
export const explainCluster = (db: Db, cluster: string): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select cell, target, component, error_key, decision, reasons, last_notified_at, next_eligible_at
     from fleet.explain_cluster($1) order by target, component, error_key`,
    [cluster],
  );

/** What is set in some cells and not in others. */
export const differences = (db: Db): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from fleet.difference");

/** Queues a setting for every cell; `at` undefined: from now on. */
export const queue = (
  db: Db,
  action: string,
  settings: Record<string, unknown>,
  at: string | undefined,
): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select fleet.queue($1, $2, $3) as id", [action, JSON.stringify(settings), at]);

/** Brings a cell what waits for it. Rejects with NTZ07, and where the cell goes away in the middle. */
export const apply = (db: Db, cell: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select setting_id, action, state, error from fleet.apply($1)", [cell]);

/** What was queued, and what became of it in each cell. */
export const settings = (db: Db): Promise<AnyRow[]> =>
  rowsOf(
    db,
    anyRow,
    `select position, id, action, arguments, at, queued_by, cell, state, error
     from fleet.settings order by position, cell`,
  );
