import assert from "node:assert/strict";
import { test } from "node:test";
import { limited } from "../../src/db/limits.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();

test("whoever works on when his process has ended cannot write any more", async () => {
  const ended = new AbortController();
  const limits = { statementMs: 20_000, lockMs: 20_000, idleInTransactionMs: 60_000 };
  const pool = limited(database.pool, limits, ended.signal);
  await pool.query("create table note (text text)");
  await pool.query("insert into note values ($1)", ["in time"]);
  ended.abort(new Error("the process ends"));
  await assert.rejects(pool.query("insert into note values ($1)", ["late"]), /^Error: the process ends$/);
  await assert.rejects(pool.connect(), /^Error: the process ends$/);
  const { rows } = await database.pool.query("select text from note");
  assert.deepEqual(rows, [{ text: "in time" }]);
});
