import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { aCluster, addReport, loadContent, reportAndDecide, rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

/** Whatever may change, and why; everything else of these tables stays as it was. */
const mayChange: Record<string, string[]> = {
  silence: ["ended_at", "ended_by"],
  acknowledgement: ["period"],
  rule_content: ["validity"],
  withdrawn_policy: [],
  // how its delivery goes, and the account that the incumbent's readers look for
  notification: [
    ...["account_number", "state", "attempts", "first_tried_at", "next_attempt_at", "leased_until"],
    ...["ended_at", "failure", "last_error", "result", "redriven_at", "attempts_before", "may_be_out"],
  ],
  // whether it counts, and for how long
  notified_issue: ["cooldown_period", "superseded_at", "voided", "left_out", "left_out_reasons"],
  states: [],
  notification_types: [],
  event_targets: [],
};

/** Another value of any type that these tables have. */
const other: Record<string, (column: string) => string> = {
  bigint: (column) => `coalesce(${column}, 0) + 1`,
  integer: (column) => `coalesce(${column}, 0) + 1`,
  smallint: (column) => `coalesce(${column}, 0) % 4 + 1`,
  text: (column) => `coalesce(${column}, '') || 'x'`,
  "text[]": (column) => `${column} || 'x'::text`,
  boolean: (column) => `not ${column}`,
  uuid: () => "gen_random_uuid()",
  jsonb: () => `'{"id": 0}'`,
  "timestamp with time zone": (column) => `coalesce(${column}, now()) + interval '1 hour'`,
  tstzrange: () => "'[2020-01-01,2020-01-02)'",
};

/** A row in each guarded table, written as people and services write them. */
async function someHistory(db: PoolClient): Promise<void> {
  await loadContent(db, ["disk"]);
  await reportAndDecide(db, aCluster(), at, ["disk"]);
  await db.query(
    "select add_silence($1::timestamptz + interval '1 day', 'for the test', org_id => 1, at => $1)",
    [at],
  );
  await db.query("select acknowledge(1, 'disk')");
  await db.query(`select set_policy('service log', '{}', 'planned', at => now() + interval '1 day')`);
  await db.query("delete from policy where lower(validity) > now()");
  await db.query("set local ccx.rewrite_history = off");
}

const guarded = (work: (db: PoolClient) => Promise<void>) =>
  rolledBack(database.pool, async (db) => {
    await someHistory(db);
    await work(db);
  });

for (const [table, changeable] of Object.entries(mayChange)) {
  test(`${table} keeps its rows, and every column but those that time or a delivery changes`, () =>
    guarded(async (db) => {
      assert.ok(Number(await value(db, `select count(*) from ${table}`)) > 0);
      await refused(db, "NTK01", () => db.query(`delete from ${table}`));
      await refused(db, "NTK01", () => db.query(`truncate ${table} cascade`));
      const columns = await rows(
        db,
        `select attname as name, format_type(atttypid, null) as type from pg_attribute
         where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''
           and attidentity <> 'a' order by attnum`,
        [table],
      );
      for (const { name, type } of columns) {
        if (changeable.includes(String(name))) continue;
        const another = other[String(type)]?.(String(name));
        await refused(db, "NTK01", () => db.query(`update ${table} set ${name} = ${another}`));
      }
    }));
}

test("what has ended has ended: a silence, and a version of content", () =>
  guarded(async (db) => {
    await db.query("select end_silence(id, $1) from silence", [at]);
    await refused(db, "NTK01", () => db.query("update silence set ended_at = null, ended_by = null"));
    await refused(db, "NTK01", () => db.query("update silence set ended_at = now()"));
    await refused(db, "NTK01", () => db.query("update rule_content set validity = '[2019-01-01,)'"));
    await loadContent(db, [], "2026-03-02T00:00:00Z");
    await refused(db, "NTK01", () => db.query("update rule_content set validity = '[2020-01-01,)'"));
  }));

test("whoever means it says so, for one transaction", () =>
  guarded(async (db) => {
    await db.query("set local ccx.rewrite_history = on");
    await db.query("update silence set reason = 'a name that was nobody''s business'");
    await db.query("delete from silence; truncate notification, notified_issue; delete from rule_content");
  }));

test("retention deletes what is past, and its ledger, without anybody's word", () =>
  guarded(async (db) => {
    await db.query("update notification set state = 'sent', ended_at = decided_at");
    await addReport(db, "other", "2026-11-01T00:00:00Z", []);
    await db.query("update issue set closed_at = opened_at");
    const deleted = [];
    for (let step = await rows(db, "select name from retain('2026-11-01')"); step.length > 0; ) {
      deleted.push(...step.map(({ name }) => name));
      step = await rows(db, "select name from retain('2026-11-01')");
    }
    assert.ok(deleted.includes("notification"), String(deleted));
    assert.deepEqual(await rows(db, "select * from notified_issue"), []);
    // the word was retention's alone
    await refused(db, "NTK01", () => db.query("delete from silence"));
  }));

test("a cooldown holds the moment it begins with, and an offset is none below zero", () =>
  guarded(async (db) => {
    await refused(db, "23514", () => db.query("update notified_issue set cooldown_period = 'empty'"));
    await db.query("insert into consumer_offset (topic, partition, next_offset) values ('results', 0, 5)");
    await refused(db, "23514", () => db.query("update consumer_offset set next_offset = -5"));
  }));

/** Some write their statements themselves, the others move rows. */
const writesItself = new Set(["retain", "forget_rows", "split_too_large", "move_notified", "adopt_cell"]);

test("functions of ours that delete or move what stays say so around that, and no others may", async () => {
  const tables = Object.keys(mayChange).join("|");
  const found = await rows(
    database.pool,
    `select p.proname as name,
       position('may_rewrite(''on'')' in p.prosrc) > 0 as says_so,
       p.prosrc ~ $1 as deletes
     from pg_proc p
     where p.pronamespace in ('public'::regnamespace, 'ccx'::regnamespace)`,
    [`delete from (${tables})\\M`],
  );
  for (const { name, says_so, deletes } of found)
    if (!writesItself.has(String(name))) assert.equal(says_so, deletes, String(name));
  assert.ok(found.some(({ deletes }) => deletes));
});
