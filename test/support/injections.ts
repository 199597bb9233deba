import assert from "node:assert/strict";
import { type Db, rows } from "./builders.ts";

/**
 * Texts that mean something to SQL, to format(), to LIKE, to a shell or to a template, if anybody lets them.
 */
export const injections = [
  ...[
    "'; drop table new_reports; --",
    "\\'; drop table issue; --",
    "'); drop table policy; --",
    "$$; drop table issue; $$",
  ],
  ...[
    '"; drop table silence; --',
    "$1",
    "$2::text",
    ":x",
    "?",
    "%",
    "_",
    "%s %I %L %n %%",
    "\\",
    "\\\\",
    "\\'",
    "''",
    '""',
  ],
  ...[
    "/*",
    "*/",
    "--",
    "U&'\\0027'",
    "e'\\047'",
    "(select 1)",
    "1; select pg_sleep(60)",
    "x' or 'x' = 'x",
    "null",
    '{a,"b',
    "`id`",
  ],
  ...["$(id)", "$" + "{x}", "{{= it }}", "a\nb", "a\tb", "\u001b[2J", "\u202e", "😀"],
];

/** What an injection would change: the objects there are. */
export async function catalogOf(db: Db): Promise<unknown[]> {
  return rows(
    db,
    `select c.oid::regclass::text as name, c.relkind::text
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('public', 'ccx', 'fleet') and c.relname !~ '_\\d{8}' and c.relname !~ '_\\d{8}_'
     union all
     select p.oid::regprocedure::text, 'function'
     from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname in ('public', 'ccx', 'fleet')
     union all
     select s.srvname, 'server' from pg_foreign_server s
     order by 1`,
  );
}

/** A refusal is a sentence about the value; a syntax error would say that the value became SQL. */
export function assertRefusal(error: unknown, why: string): void {
  assert.ok(error instanceof Error, why);
  const code = "code" in error ? String(error.code) : "";
  assert.match(code, /^(2[23]|NT)/, `${why}: ${code} ${error.message}`);
}
