import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { endPolicy, setScopedPolicy, wholeTable } from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();

const unchangeable = "NTP07";

/** Refused, and nothing changes. */
async function refuses(db: PoolClient, sql: string): Promise<void> {
  const before = await wholeTable(db, "policy");
  await refused(db, unchangeable, () => db.query(sql));
  assert.deepEqual(await wholeTable(db, "policy"), before, sql);
}

test("no setting of a version is changed, nor whom it is for, nor who made it and why", () =>
  rolledBack(database.pool, async (db) => {
    /** Another value of each type, and of the columns that need one which is no other. */
    const others: Record<string, string> = {
      ...{ boolean: "not x", smallint: "x + 1", integer: "x + 1", bigint: "7", numeric: "0.5" },
      ...{ text: "'another'", "text[]": "'{a}'", interval: "'1 hour'", "timestamp with time zone": "now()" },
      notify_resolved: "true, notify_resolved_since = now()",
    };
    const left = ["id", "validity", "ended_by", "end_reason", "compiled_filter", "notify_resolved_since"];
    const columns = await rows(
      db,
      `select attname as name, format_type(atttypid, null) as type from pg_attribute
       where attrelid = 'policy'::regclass and attnum > 0 and not attisdropped and attname <> all ($1)`,
      [left],
    );
    for (const { name, type } of columns) {
      const other = others[String(name)] ?? others[String(type)];
      assert.ok(other, `${name} is of the type ${type}, for which this test has no other value`);
      const changed = other.replace("x", String(name));
      await refuses(db, `update policy set ${name} = ${changed} where target_id = 1`);
    }
  }));

test("a version is not deleted, its beginning does not move, and once ended it stays so", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, { org: 1 }, {}, "2026-02-10");
    await endPolicy(db, { org: 1 }, "2026-02-20");
    await refuses(db, "delete from policy where org_id = 1");
    await refuses(db, "update policy set validity = '[2026-02-11,)' where target_id = 2 and org_id is null");
    await refuses(db, "update policy set validity = '[2026-02-10,2026-02-25)' where org_id = 1");
    await refuses(db, "update policy set validity = '[2026-02-10,2026-02-15)' where org_id = 1");
    await refuses(db, "update policy set validity = '[2026-02-10,)' where org_id = 1");
    await refuses(db, "update policy set ended_by = 'somebody else' where org_id = 1");
  }));

test("a version that has a filter is followed by another, and ended, like any", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, { org: 1 }, { filter: "impact > 2" }, "2026-02-10");
    await setScopedPolicy(db, { org: 1 }, { filter: "impact > 3" }, "2026-02-11");
    await setScopedPolicy(db, { org: 1 }, { max_events: 7 }, "2026-02-12");
    const ended = await endPolicy(db, { org: 1 }, "2026-02-20");
    assert.deepEqual([ended.filter, ended.max_events], ["impact > 3", 7]);
    assert.equal(await value(db, "select count(*)::integer from policy where org_id = 1"), 3);
  }));

test("the table is not truncated either", () =>
  rolledBack(database.pool, async (db) => {
    await refused(db, "NTP07", () => db.query("truncate policy cascade"));
  }));
