import type { Pool, PoolClient } from "pg";

const head = `# Reference: database roles

Printed by \`npm run reference\` from \`sql/roles/\`; a test logs in as each role and tries everything that is not
here. \`ccx migrate --with-roles\` makes the roles, \`ccx roles script\` prints the statements that are missing
for whoever runs them by hand. [Running it with roles](../guides/operations.md#roles) says how to log in.

The roles have no password and no login. Each process logs in as a user of its own that is in the roles it
needs; people likewise. Nobody logs in as \`ccx_owner\` but whoever migrates.
`;

type Cells = Record<string, string>;

const table = (columns: string[], rows: string[][]): string =>
  [columns, columns.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** The page: what each role may do with each object. */
export async function rolesPage(db: Pool | PoolClient): Promise<string> {
  const ask = async (sql: string) => (await db.query<Cells>(sql)).rows;
  const roles = await ask("select * from ccx.database_role");
  const short = roles.map(({ name = "" }) => name).filter((name) => name !== "ccx_owner");
  const rights = await ask(
    'select name, role, letters from ccx.table_right order by name collate "C", role collate "C"',
  );
  const names = [...new Set(rights.map(({ name = "" }) => name))];
  const letters = (name: string, role: string) =>
    rights.find((right) => right.name === name && right.role === role)?.letters ?? "";
  const code = (text = "") => (text === "" ? "" : `\`${text}\``);
  const narrowed = await ask('select name, condition from ccx.organization_policy order by name collate "C"');
  const functions =
    await ask(`select object, string_agg(format('\`%s\`', role), ', ' order by role collate "C") as roles
    from ccx.wanted_right where kind = 'function' group by object order by object collate "C"`);
  const views = await ask(`select regexp_replace(w.object, '^public\\.', '') as name,
      case count(*) when ${short.length} then 'all' else string_agg(replace(w.role, 'ccx_', ''), ', ' order by w.role collate "C") end as roles
    from ccx.wanted_right w
    join pg_class c on c.oid = w.object::regclass and c.relkind = 'v'
    where w.kind = 'table'
    group by 1 order by min(w.object) collate "C"`);
  const columns = rights.filter(({ letters: text = "" }) => text.includes("("));
  return [
    head,
    "## The roles\n",
    table(
      ["role", "for", "statement", "lock", "idle in a transaction"],
      roles.map(({ name, purpose, statement_timeout, lock_timeout, idle_timeout }) => [
        code(name),
        purpose ?? "",
        ...[statement_timeout, lock_timeout, idle_timeout].map((limit) => limit ?? ""),
      ]),
    ),
    "\nThe timeouts are settings of the role in this database, and of users in it when the roles were last made.\n",
    "## Tables\n",
    "`r` select, `a` insert, `w` update, `d` delete; `*` for some columns only, which follow below. The days of a",
    "partitioned table are closed to every role: they are read and written through the table. The roles",
    "`ccx_ingest`, `ccx_decide`, `ccx_deliver`, `ccx_operator` and `ccx_console` are in `ccx_metrics`, and read",
    "what it reads.\n",
    table(
      ["table", ...short.map((role) => role.replace("ccx_", ""))],
      names.map((name) => [
        code(name),
        ...short.map((role) => code(letters(name, role).replaceAll(/\([^)]*\)/g, "*"))),
      ]),
    ),
    "\n### Columns\n",
    table(
      ["table", "role", "may", "columns"],
      columns.flatMap(({ name, role, letters: text = "" }) => {
        const [, act = "", list = ""] = /(\w)\(([^)]*)\)/.exec(text) ?? [];
        const all = list.split(", ");
        const lines = Array.from({ length: Math.ceil(all.length / 6) }, (_, nth) =>
          all.slice(6 * nth, 6 * nth + 6),
        );
        return lines.map((some) => [code(name), code(role), code(act), code(some.join(", "))]);
      }),
    ),
    "\n## Rows\n",
    "`ccx_reader` sees the rows of the organizations that `organization_reader` has for the database user",
    "(a row whose organization is null: all of them; no row: none). `ccx_results` sees those of the organization",
    "in the setting `ccx.organization`, which the service sets for each transaction; so does `ccx_console`, which",
    "sees all where the setting is empty. Every other role sees all rows of the tables that it may use. `{x}`",
    "stands for: x is an organization that the role may see.\n",
    table(
      ["table", "condition"],
      narrowed.map(({ name, condition }) => [code(name), code(condition)]),
    ),
    "\n## Views\n",
    "A view runs with the rights of whoever asks, so it shows nothing that the tables above do not.\n",
    table(
      ["view", "roles"],
      views.map(({ name, roles: by = "" }) => [code(name), by]),
    ),
    "\n## Functions\n",
    "Functions run with the rights of whoever calls them, and everybody may call them. These alone run with",
    "those of the owner, besides triggers, which nobody but the owner can attach to a table:\n",
    table(
      ["function", "roles"],
      functions.map(({ object, roles: by = "" }) => [code(object), by]),
    ),
    "",
  ].join("\n");
}
