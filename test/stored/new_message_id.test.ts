import assert from "node:assert/strict";
import { test } from "node:test";
import { rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();

/** The milliseconds since 1970 that an id begins with. */
const timeOf = (id: unknown) => Number.parseInt(String(id).replace("-", "").slice(0, 12), 16);

test("ids of messages are of version 4, by which receivers know repeated ones, and no two are the same", async () => {
  const ids = await rows(database.pool, "select new_message_id() as id from generate_series(1, 10000)");
  for (const { id } of ids)
    assert.match(String(id), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(ids.map(({ id }) => id)).size, ids.length);
});

test("they begin with the time, so that new ones come after all others", async () => {
  const now = "select extract(epoch from clock_timestamp()) * 1000";
  for (let turn = 0; turn < 3; turn++) {
    const before = Number(await value(database.pool, now));
    const id = await value(database.pool, "select new_message_id()");
    const after = Number(await value(database.pool, now));
    assert.ok(
      timeOf(id) >= Math.round(before) && timeOf(id) <= Math.round(after),
      `${before} ${id} ${after}`,
    );
  }
});

test("messages get theirs by default", async () => {
  const sql = `select pg_get_expr(adbin, adrelid) from pg_attrdef d
    join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where d.adrelid = 'notification'::regclass and a.attname = 'message_id'`;
  assert.equal(await value(database.pool, sql), "new_message_id()");
});
