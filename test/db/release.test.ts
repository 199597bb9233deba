import assert from "node:assert/strict";
import { test } from "node:test";
import { requireSameRelease } from "../../src/db/release.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { assertGivesUp, spawnCcx } from "../support/command.ts";
import { openDatabase } from "../support/database.ts";
import { versionEight } from "../support/incumbent.ts";

const other =
  /^The functions of the database \(release 0\.1\.0, loaded at \S+Z\) are not those of this program \(release 0\.1\.0\): run `ccx migrate` of the release that is to run, then start that program\.$/;

for (const [what, empty, sql, sentence] of [
  [
    "that was never migrated",
    true,
    "select",
    /^The database has not been migrated to this version: run `ccx migrate`\.$/,
  ],
  [
    "of the notification writer",
    true,
    versionEight,
    /^The database is still the notification writer's: take it over with `ccx adopt` first\.$/,
  ],
  [
    "whose adoption was interrupted at its beginning",
    true,
    `${versionEight}; create schema incumbent; create table incumbent.adoption as select 'begun'::text as phase`,
    /^An adoption of this database was interrupted: run `ccx adopt` again, or `ccx adopt --undo`\.$/,
  ],
  [
    "that lacks a migration",
    false,
    "delete from graphile_migrate.migrations",
    /^The database is of an older release than this program \(0\.1\.0\): run `ccx migrate`\.$/,
  ],
  [
    "that has had a migration which this program does not know",
    false,
    `insert into graphile_migrate.migrations (hash, previous_hash, filename)
     select 'sha1:of-tomorrow', hash, '000099-tomorrow.sql' from graphile_migrate.migrations`,
    /^The database is of a newer release than this program \(0\.1\.0\): start the program of that release\.$/,
  ],
  [
    "with another text of a function",
    false,
    "update ccx.code_object set hash = 'another' where name = 'function public.decide'",
    other,
  ],
  [
    "with a function more",
    false,
    "insert into ccx.code_object values ('function public.of_tomorrow', 'public.of_tomorrow()', 'f', 'h', 999)",
    other,
  ],
  ["in which a view was dropped by hand", false, "drop view missing_content", other],
  [
    "whose functions were never loaded",
    false,
    "delete from ccx.code_object; delete from ccx.code_load",
    /^The functions of the database \(none\) are not those of this program/,
  ],
] as const)
  test(`a service does not start on a database ${what}`, async () => {
    await using database = await openDatabase({ empty });
    await database.pool.query(sql);
    await assert.rejects(
      requireSameRelease(database.pool),
      (error) => error instanceof ConfigurationError && sentence.test(error.message),
    );
  });

test("on the database of its own release it starts", async () => {
  await using database = await openDatabase();
  await requireSameRelease(database.pool);
});

test("each command that runs the service refuses with that sentence, before it asks Kafka", async () => {
  await using database = await openDatabase();
  await database.pool.query(
    "update ccx.code_object set hash = 'another' where name = 'function public.decide'",
  );
  const env = { DATABASE_URL: database.url, KAFKA_BROKERS: "127.0.0.1:1" };
  for (const command of ["run", "consume", "work"])
    assertGivesUp(await spawnCcx([command], env), /The functions of the database \(release 0\.1\.0/);
});
