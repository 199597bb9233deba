import assert from "node:assert/strict";
import { test } from "node:test";
import { printed, readPrinted } from "../../dev/reference.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

for (const [file, print] of Object.entries(printed))
  test(`${file} is what a migrated database says`, async () => {
    const page = await readPrinted(file);
    const wanted = await rolledBack(database.pool, async (db) => {
      await db.query("set local search_path = public"); // as `npm run reference` has it
      return print(db);
    });
    assert.ok(page === wanted, `run \`npm run reference\`: ${firstDifference(page, wanted)}`);
  });

function firstDifference(page: string, wanted: string): string {
  const [ours, theirs] = [page.split("\n"), wanted.split("\n")];
  const at = Array.from({ length: Math.max(ours.length, theirs.length) }).findIndex(
    (_, nth) => ours[nth] !== theirs[nth],
  );
  return `line ${at + 1}\n  the file:     ${ours[at] ?? "(no line)"}\n  the database: ${theirs[at] ?? "(no line)"}`;
}
