import type { ClientBase, FieldDef, QueryResult } from "pg";
import { createPool } from "../../src/db/pool.ts";
import { createLogger } from "../../src/log.ts";

/**
 * A database whose every answer is hostile, so that no field of a page is forgotten: texts, also those in
 * arrays and JSON and those that are null, carry the name of their column and a hostile text. What code
 * compares with (`decision`, `kind`) is left as it is where `keepsWords` is true.
 */
export type HostileAnswers = {
  keepsWords: boolean;
  /** the columns that came with a hostile text, of a table of the console with its name before it */
  columns: Set<string>;
  /** how many rows each statement gave at most, of those that give texts */
  rows: Map<string, number>;
};

const texts = new Set([18, 19, 25, 1043]);
const textArrays = new Set([1003, 1009, 1015]);
const json = new Set([114, 3802]);
/** What names tables and columns to the program itself, and what opens a transaction. */
const ofTheProgram = /ccx\.console_list where|ccx\.is_narrowed|set_config|pg_cancel_backend/;
/** What the database itself writes into JSON where a time or a number is. */
const isOfDatabase = (text: string) => /^\d+$|^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)$/.test(text);
const isWord = (text: string) => /^[a-z][a-z_ ]{0,30}$/.test(text);

/** Connections to this database whose answers are hostile; `kinds` says which columns of a table are texts. */
export function hostilePool(databaseUrl: string, evil: string, kinds: Map<string, Map<string, string>>) {
  const answers: HostileAnswers = { keepsWords: false, columns: new Set(), rows: new Map() };
  const worse = (value: unknown, name: string): unknown => {
    if (typeof value === "string" && ((answers.keepsWords && isWord(value)) || isOfDatabase(value)))
      return value;
    answers.columns.add(name);
    // a long value hides what comes after it, and of a rule only the end is shown
    return `‹${name}›${value ?? ""}‹${name}›${evil}`;
  };
  const inJson = (value: unknown, name: string): unknown => {
    if (typeof value === "string") return worse(value, name);
    if (Array.isArray(value)) return value.map((one) => inJson(one, name));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inJson(one, name)]));
  };
  const ofKind = (kind: string | undefined, value: unknown, name: string): unknown => {
    if (kind === "text") return worse(value, name);
    if (kind === "text[]") return ((value as unknown[] | null) ?? [null]).map((one) => worse(one, name));
    if (kind === "jsonb") return inJson(value, name);
    return value;
  };
  const kindOf = ({ dataTypeID }: FieldDef) =>
    texts.has(dataTypeID)
      ? "text"
      : textArrays.has(dataTypeID)
        ? "text[]"
        : json.has(dataTypeID)
          ? "jsonb"
          : undefined;

  const pool = createPool({
    ...{ databaseUrl, size: 6, name: "ccx console", log: createLogger("silent") },
    async onConnect(client: ClientBase) {
      const ask = client.query.bind(client) as (...args: unknown[]) => Promise<QueryResult>;
      const hostile = async (query: string | { text: string; values?: unknown[] }, given?: unknown[]) => {
        const result = await ask(query, given);
        const text = typeof query === "string" ? query : query.text;
        if (!("fields" in result) || ofTheProgram.test(text)) return result;
        const values = typeof query === "string" ? given : query.values;
        const isList = text.includes("ccx.console_rows(");
        const list = isList ? String(values?.[0]) : "";
        if (result.fields.some((field) => kindOf(field) !== undefined)) {
          const asked = isList ? `the table ${list}` : text.replaceAll(/\s+/g, " ");
          answers.rows.set(asked, Math.max(answers.rows.get(asked) ?? 0, result.rows.length));
        }
        for (const row of result.rows) {
          if (isList) {
            const kindsOfList = kinds.get(list);
            for (const [column, kind] of kindsOfList ?? [])
              row.shown_row[column] = ofKind(kind, row.shown_row[column], `${list}:${column}`);
            continue;
          }
          // the texts of a message are made by what its target is
          const isChosenBy = (field: FieldDef) => field.name === "target" && "report_is_kept" in row;
          for (const field of result.fields)
            if (!isChosenBy(field)) row[field.name] = ofKind(kindOf(field), row[field.name], field.name);
        }
        return result;
      };
      client.query = hostile as never;
    },
  });
  return { pool, answers };
}
