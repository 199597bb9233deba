import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Pool, PoolClient } from "pg";
import { report } from "../src/cli.ts";
import { keyList } from "../src/config/keys.ts";
import { migrate } from "../src/db/migrate.ts";
import { createPool } from "../src/db/pool.ts";
import { createLogger } from "../src/log.ts";
import { rolesPage } from "./roles.ts";
import { schemaPicture } from "./schema.ts";
import { startStack } from "./stack/stack.ts";

/** as the formatter has it */
const longestLine = 110;
const root = path.join(import.meta.dirname, "..");

type Reason = { reason: string; meaning: string; by_policy: boolean };

const reasonsSql = "select reason, meaning, by_policy from hold_reason";

/** What each hold reason means, for the processes that have to know before they ask a database. */
async function holdReasons(db: Pool | PoolClient): Promise<string> {
  const { rows } = await db.query<Reason>(reasonsSql);
  const lines = rows.map(({ reason, meaning }) => {
    const line = `  ${reason}: ${JSON.stringify(meaning)},`;
    return line.length > longestLine ? line.replace(": ", ":\n    ") : line;
  });
  return [
    "/** Why SQL decide() holds an issue, in words: the view hold_reason, printed by `npm run reference`. */",
    "export const holdReasons = {",
    ...lines,
    "} as const;",
    "",
  ].join("\n");
}

/** A page that people write, with the table between `<!-- from … -->` and `<!-- end -->` as it has to be. */
async function withTable(file: string, columns: string[], cells: string[][]): Promise<string> {
  const table = [columns, columns.map(() => "---"), ...cells].map((row) => `| ${row.join(" | ")} |`);
  const page = await readPrinted(file);
  const marks = /(<!-- from .+? -->\n\n).*?(<!-- end -->)/s;
  if (!marks.test(page)) throw new Error(`${file} lacks <!-- from … --> and <!-- end -->.`);
  return page.replace(marks, (_, from, end) => `${from}${table.join("\n")}\n\n${end}`);
}

/** The words of a comment in the database, as this page of docs/reference/ writes them: names and links. */
const marked = (text: string, page: string): string =>
  text
    .replaceAll(/\b[a-z]+(?:_[a-z]+)+(?:\.[a-z]+)?\b/g, "`$&`")
    .replaceAll(/docs\/(?:reference\/)?([\w/-]+\.md)(?:#([\w-]+))?/g, (_, file: string, heading?: string) => {
      const to = file.includes("/") ? `../${file}` : file;
      const link = `${`docs/reference/${file}` === page ? "" : to}${heading === undefined ? "" : `#${heading}`}`;
      return `[${heading ?? file.replaceAll(/^.*\/|\.md$/g, "")}](${link})`;
    });

type Setting = { name: string; meaning: string | null };

/** What set_policy() takes by name, as SQL changed_policy() has it. */
const settingsSql = `
  select a.attname as name, col_description(a.attrelid, a.attnum) as meaning
  from pg_attribute a
  where a.attrelid = 'policy'::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    and a.attname not in ('id', 'target_id', 'org_id', 'rule_name', 'notify_resolved_since', 'validity',
      'changed_by', 'reason', 'ended_by', 'end_reason')
  order by a.attnum`;

/** A row for each key of the configuration; a pipe within a value does not end its cell. */
const keyRows = keyList.map(([, { key, secret, default: value, description }]) => [
  `\`${key}\`${secret ? " (secret)" : ""}`,
  value === undefined ? "" : `\`${value.replaceAll("|", "\\|")}\``,
  description,
]);

const configuration = "docs/reference/configuration.md";
const settings = "docs/reference/policy-settings.md";
const reasons = "docs/reference/reasons.md";

/** Every file that follows from a migrated database or from code, by its path from the root, as it has to be. */
export const printed: Record<string, (db: Pool | PoolClient) => Promise<string>> = {
  "docs/reference/schema.sql": schemaPicture,
  "docs/reference/roles.md": rolesPage,
  "src/text/hold_reasons.ts": holdReasons,
  [reasons]: async (db) => {
    const { rows } = await db.query<Reason>(reasonsSql);
    const cells = rows.map((row) => [
      `\`${row.reason}\``,
      marked(row.meaning, reasons),
      row.by_policy ? "yes" : "no",
    ]);
    return withTable(reasons, ["reason", "meaning", "by policy"], cells);
  },
  [configuration]: () => withTable(configuration, ["key", "default", "meaning"], keyRows),
  [settings]: async (db) => {
    const { rows } = await db.query<Setting>(settingsSql);
    const cells = rows.map(({ name, meaning }) => [`\`${name}\``, marked(meaning ?? "", settings)]);
    return withTable(settings, ["setting", "meaning"], cells);
  },
};

/** What the file says now. */
export const readPrinted = (file: string): Promise<string> => readFile(path.join(root, file), "utf8");

/** `npm run reference`: migrates an empty database on a server of its own, and writes what follows from it. */
async function main(): Promise<void> {
  const log = createLogger("warn");
  const stack = await startStack({ kafkaBrokers: "none" });
  try {
    await migrate(stack.databaseUrl, log);
    const pool = createPool({ databaseUrl: stack.databaseUrl, size: 1, name: "ccx reference", log });
    try {
      for (const [file, print] of Object.entries(printed)) {
        const text = await print(pool);
        await mkdir(path.dirname(path.join(root, file)), { recursive: true });
        if (text === (await readPrinted(file).catch(() => undefined))) continue;
        await writeFile(path.join(root, file), text);
        console.log(`${file} is printed anew.`);
      }
    } finally {
      await pool.end();
    }
  } finally {
    await stack.stop();
  }
}

if (process.argv[1] === import.meta.filename)
  await main().catch((error) => {
    process.exitCode = report(error);
  });
