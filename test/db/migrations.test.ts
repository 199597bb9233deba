import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { migrate } from "../../src/db/migrate.ts";
import { createLogger } from "../../src/log.ts";
import { rows } from "../support/builders.ts";
import { catalog } from "../support/catalog.ts";
import { openDatabase, testDatabase } from "../support/database.ts";

const database = testDatabase({ asMigrated: true });
const root = path.join(import.meta.dirname, "../..");
const log = createLogger("silent");

test("migrating a migrated database does nothing", async () => {
  const migrations = "select hash, filename, date from graphile_migrate.migrations order by filename";
  const loads = "select * from ccx.code_load";
  const state = async () => [
    await catalog(database.pool),
    await rows(database.pool, migrations),
    await rows(database.pool, loads),
  ];
  const before = await state();
  await migrate(database.url, log);
  assert.deepEqual(await state(), before);
});

test("the chain replays from zero, and two at once both succeed", async () => {
  await using fresh = await openDatabase({ empty: true });
  await Promise.all([migrate(fresh.url, log), migrate(fresh.url, log)]);
  // graphile-migrate compares the hash of every file, and the hash it names as its predecessor's, while it
  // does
  assert.ok((await rows(fresh.pool, "select filename from graphile_migrate.migrations")).length > 0);
  assert.equal(
    (await rows(fresh.pool, "select from ccx.code_load")).length,
    1,
    "the second one loads nothing",
  );
  const found = await catalog(fresh.pool);
  assert.ok(found.length > 300, `${found.length} objects`);
  assert.deepEqual(found, await catalog(database.pool));
});

test("a clone has the same bytes on every system, since migrations and sql/ are compared by hash", async () => {
  assert.match(await readFile(path.join(root, ".gitattributes"), "utf8"), /^\* text=auto eol=lf$/m);
});

test("nothing is uncommitted", async () => {
  const current = await readFile(path.join(root, "migrations/current.sql"), "utf8");
  assert.deepEqual(
    current.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("--")),
    [],
    "commit it: npx graphile-migrate commit",
  );
  assert.doesNotMatch(current, /^--!\s*include/m);
});
