import assert from "node:assert/strict";
import { appendFile, cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { watch } from "../../dev/watch.ts";
import { value } from "../support/builders.ts";
import { openDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

const root = path.join(import.meta.dirname, "../..");

test("npm run watch brings a change of current.sql, or of sql/, at once, and survives a mistake", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-watch-test-"));
  await using owned = new AsyncDisposableStack();
  owned.defer(() => rm(folder, { recursive: true }));
  const database = owned.use(await openDatabase());
  const [sql, migrations] = [path.join(folder, "sql"), path.join(folder, "migrations")];
  await cp(path.join(root, "sql"), sql, { recursive: true });
  await cp(path.join(root, "migrations/committed"), path.join(migrations, "committed"), { recursive: true });
  await cp(path.join(root, "migrations/current.sql"), path.join(migrations, "current.sql"));
  await symlink("../sql", path.join(migrations, "fixtures"));

  const lines: string[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
  const stopping = new AbortController();
  const watching = watch({ databaseUrl: database.url, log, signal: stopping.signal, sql, migrations });
  const said = (text: RegExp) => until(String(text), () => lines.some((line) => text.test(line)));
  try {
    await said(/waiting for changes/);
    const table = "drop table if exists tomorrow;\ncreate table tomorrow (id integer primary key);\n";
    await writeFile(path.join(migrations, "current.sql"), table);
    await until("the table is there", () =>
      value(database.pool, "select to_regclass('tomorrow') is not null"),
    );

    const file = path.join(sql, "queue/announce.sql");
    const before = await readFile(file, "utf8");
    await appendFile(file, "select no_such_function();\n");
    await said(/^sql\/queue\/announce\.sql: function no_such_function\(\) does not exist$/);
    await writeFile(file, `${before}\ncomment on function announce is 'tomorrow';\n`);
    const comment = "select obj_description('announce'::regproc, 'pg_proc') = 'tomorrow'";
    await until("the function is loaded", () => value(database.pool, comment));
  } finally {
    stopping.abort();
    await watching;
  }
  assert.match(lines.at(-1) ?? "", /waiting for changes/);
});
