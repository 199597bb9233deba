import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { prepareDatabase } from "../../dev/embedded.ts";
import { adoptCell } from "../../src/cell/sql.ts";
import { mayPass } from "../../src/db/errors.ts";
import { createLogger } from "../../src/log.ts";
import { loadRules } from "./rules.ts";

/** A query on a connection of its own, tried again while the server is away. */
export type Query = (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** A database of the service. The name is that of its cell, empty where there is one database only. */
export type Cell = { name: string; url: string };

const buckets = 256;

/**
 * Makes the databases, all on one server: one, or so many cells that share the buckets in turn, of which the
 * first one has the uploads. Each of them has what setup.sql adds.
 */
export async function prepareDatabases(databaseUrl: string, count: number): Promise<readonly Cell[]> {
  await prepareDatabase(databaseUrl, createLogger("silent"));
  const first = queryOf(databaseUrl);
  await first(await readFile(new URL("setup.sql", import.meta.url), "utf8"));
  await loadRules(first);
  // its processes are killed, the machine is not: what was written to a file is there; but a page may be half
  // written
  await first("alter system set full_page_writes = on");
  await first("select pg_reload_conf()");
  if (count === 1) return [{ name: "", url: databaseUrl }];

  const cells: Cell[] = [];
  for (let nth = 0; nth < count; nth++) {
    const url = new URL(databaseUrl);
    if (nth > 0) {
      const server = new URL(databaseUrl);
      server.pathname = "postgres";
      const original = url.pathname.slice(1);
      url.pathname = `${original}_${nth}`;
      await queryOf(server.href)(`create database ${original}_${nth} template ${original}`);
    }
    cells.push({ name: `cell-${nth + 1}`, url: url.href });
  }
  for (const [nth, { name, url }] of cells.entries()) {
    const mine = Array.from({ length: buckets }, (_, bucket) => bucket).filter((b) => b % count === nth);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await adoptCell(client, name, `{${mine.map((b) => `[${b},${b + 1})`)}}`, nth === 0);
    } finally {
      await client.end();
    }
  }
  return cells;
}

/** Queries of this database. */
export function queryOf(url: string): Query {
  return async (sql, values = []) => {
    for (const limit = Date.now() + 60_000; ; await sleep(200)) {
      try {
        return await connected(url, (query) => query(sql, values));
      } catch (error) {
        if (!mayPass(error) || Date.now() > limit) throw error;
      }
    }
  };
}

/** Several queries on one connection; false when the server has gone away meanwhile. */
export async function session(url: string, work: (query: Query) => Promise<void>): Promise<boolean> {
  try {
    await connected(url, work);
    return true;
  } catch (error) {
    if (!mayPass(error)) throw error;
    return false;
  }
}

async function connected<T>(url: string, work: (query: Query) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await work(async (sql, values = []) => (await client.query(sql, values)).rows);
  } finally {
    await client.end().catch(() => undefined);
  }
}
