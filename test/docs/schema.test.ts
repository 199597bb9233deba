import assert from "node:assert/strict";
import { test } from "node:test";
import { schemaPicture } from "../../dev/schema.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

test("a change of any kind is seen in it", async () => {
  for (const change of [
    "alter table rule add column more text",
    "alter table rule alter column component drop not null",
    "alter table silence alter column created_by drop default",
    "alter table silence drop constraint silence_has_an_end",
    "drop index silence_in_force_idx",
    "drop trigger _100_history on policy",
    "comment on column rule.component is 'another'",
    "comment on function announce is 'another'",
    "comment on view noise is 'another'",
    "comment on type decision is 'another'",
    "alter table circuit set (fillfactor = 60)",
    "alter function announce stable",
    "drop view explain_diff_by_rule",
    "drop function announce",
  ]) {
    const changed = await rolledBack(database.pool, async (db) => {
      await db.query(change);
      return schemaPicture(db);
    });
    assert.ok(changed !== (await schemaPicture(database.pool)), change);
  }
});
