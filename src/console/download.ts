import type { AnyRow, Db } from "../db/rows.ts";
import { NotThere, requireFor } from "./ask.ts";
import { looks } from "./looks.ts";
import type { Person } from "./person.ts";
import * as sql from "./sql.ts";
import { type Look, placeOf, questionOf, stateOf } from "./table.ts";

const pageRows = 1_000;
const mostRows = 100_000;

/** A table as a file, with its sort and filters; read page by page while it is sent. */
export async function downloaded(
  file: string,
  query: Record<string, string | undefined>,
  person: Person,
  read: <T>(work: (db: Db) => Promise<T>) => Promise<T>,
): Promise<{ type: string; name: string; parts: AsyncGenerator<string> }> {
  const [, name = "", kind = ""] = /^(\w+)\.(csv|json)$/.exec(file) ?? [];
  requireFor(person, name);
  const look: Look | undefined = Object.hasOwn(looks, name) ? looks[name as keyof typeof looks] : undefined;
  const list = look && (await read((db) => sql.listOf(db, name)));
  if (!look || !list) throw new NotThere(`There is no table "${file}" to download.`);
  const state = stateOf(query, look, []);
  const ask = (after: (string | null)[] | null) =>
    read((db) => sql.listRows(db, questionOf(look, { ...state, after }, pageRows)));
  // a question that is refused is refused before the first byte
  const first = await ask(null);
  async function* pages(): AsyncGenerator<AnyRow[]> {
    let rows = first;
    for (let sent = 0; rows.length > 0; ) {
      yield rows;
      sent += rows.length;
      const last = rows.at(-1);
      if (rows.length < pageRows || sent >= mostRows || !last || !list) return;
      rows = await ask(placeOf(last, state.sort, list));
    }
  }
  return kind === "csv"
    ? { type: "text/csv; charset=utf-8", name: file, parts: asCsv(pages()) }
    : { type: "application/json; charset=utf-8", name: file, parts: asJson(pages()) };
}

async function* asJson(pages: AsyncGenerator<AnyRow[]>): AsyncGenerator<string> {
  let lead = "[\n";
  for await (const rows of pages) {
    yield lead + rows.map((row) => JSON.stringify(row)).join(",\n");
    lead = ",\n";
  }
  yield lead === "[\n" ? "[]\n" : "\n]\n";
}

async function* asCsv(pages: AsyncGenerator<AnyRow[]>): AsyncGenerator<string> {
  let columns: string[] | undefined;
  for await (const rows of pages) {
    const lines: string[] = [];
    for (const row of rows) {
      if (columns === undefined) {
        columns = Object.keys(row);
        lines.push(columns.join(","));
      }
      lines.push(columns.map((column) => csvField(row[column])).join(","));
    }
    yield `${lines.join("\r\n")}\r\n`;
  }
}

/** A spreadsheet takes what begins like a formula for one, so that is made a text. */
function csvField(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
