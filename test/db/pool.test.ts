import assert from "node:assert/strict";
import { test } from "node:test";
import { limited } from "../../src/db/limits.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();

for (const kind of ["pool", "pool with limits"])
  test(`what a statement of a ${kind} had locked is free when its error is heard of`, async () => {
    const { pool } = database;
    const limits = { statementMs: 20_000, lockMs: 20_000, idleInTransactionMs: 60_000 };
    const asked = kind === "pool" ? pool : limited(pool, limits);
    await pool.query(
      `create table waiting as select nth from generate_series(1, 5) nth;
       create function fail() returns void language plpgsql as $$
       begin
         perform from waiting for update;
         -- work that has to be undone
         for n in 1 .. 30 loop
           execute format('create temp table made_%s (id integer primary key)', n);
         end loop;
         raise exception 'not these';
       end $$`,
    );
    const other = await pool.connect();
    const found: number[] = [];
    for (let n = 0; n < 200; n++) {
      await assert.rejects(asked.query("select fail()"), /not these/);
      found.push((await other.query("select nth from waiting for update skip locked")).rows.length);
    }
    other.release();
    await pool.query("drop table waiting; drop function fail()");
    assert.deepEqual(new Set(found), new Set([5]));
  });
