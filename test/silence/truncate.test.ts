import assert from "node:assert/strict";
import { test } from "node:test";
import { value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

const sources = {
  rule_disable: `insert into rule_disable (org_id, rule_id, error_key, created_at)
    select '7', 'disk', key, '2026-01-01' from unnest($1::text[]) key`,
  cluster_rule_toggle: `insert into cluster_rule_toggle (cluster_id, rule_id, error_key, disabled, disabled_at)
    select 'c', 'disk', key, 1, '2026-01-01' from unnest($1::text[]) key`,
};
const inForce = `select array_agg(error_key order by error_key) from acknowledgement
  where source = $1 and period @> now() + interval '1 microsecond'`;

for (const [table, insert] of Object.entries(sources)) {
  test(`${table}, refreshed by truncate and copy: what comes back goes on, the rest has ended`, () =>
    rolledBack(database.pool, async (db) => {
      await db.query(insert, [["A", "B"]]);
      assert.deepEqual(await value(db, inForce, [table]), ["A", "B"]);
      await db.query("delete from decision_request");
      await db.query(`truncate ${table}`);
      assert.equal(await value(db, inForce, [table]), null);
      assert.deepEqual(await value(db, "select rule_names from decision_request"), ["disk"]);
      await db.query(insert, [["B", "C"]]);
      assert.deepEqual(await value(db, inForce, [table]), ["B", "C"]);
      assert.equal(
        await value(db, "select count(*)::integer from acknowledgement where source = $1", [table]),
        4,
        "the history is kept",
      );
    }));

  test(`a truncate of an empty ${table} asks for nothing`, () =>
    rolledBack(database.pool, async (db) => {
      await db.query(`truncate ${table}`);
      assert.equal(await value(db, "select count(*)::integer from decision_request"), 0);
    }));
}
