import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

/** Seconds after noon. */
const at = (seconds: number) => new Date(Date.UTC(2026, 2, 1, 12) + seconds * 1_000).toISOString();

/** A worker says that it lives; returns the pools whose jobs were freed. */
async function beat(db: PoolClient, pool: string, seconds: number): Promise<unknown> {
  return value(db, "select heartbeat($1, 'host', 1, '{work}', '1.0', $2)", [pool, at(seconds)]);
}

/** A worker that is heard every 15 s in this time, without a break. */
async function beats(db: PoolClient, pool: string, from: number, to: number): Promise<void> {
  for (let seconds = from; seconds <= to; seconds += 15)
    assert.deepEqual(await beat(db, pool, seconds), [], `at ${seconds} s`);
}

async function lockJob(db: PoolClient, pool: string, seconds: number): Promise<void> {
  await db.query("select graphile_worker.add_job('decide', job_key := $1)", [pool]);
  await db.query(
    "update graphile_worker._private_jobs set locked_by = $1, locked_at = $2, attempts = 1 where key = $1",
    [pool, at(seconds)],
  );
}

const locked = "select locked_by as by from graphile_worker.jobs where locked_at is not null order by 1";

test("the jobs of a worker that fell silent are free after 90 seconds, and it is no longer among the living", () =>
  rolledBack(database.pool, async (db) => {
    await beats(db, "lives", -90, 0);
    await beat(db, "killed", 0);
    await lockJob(db, "killed", 0);
    await lockJob(db, "lives", 0);
    await beats(db, "lives", 15, 90);
    assert.deepEqual(await rows(db, locked), [{ by: "killed" }, { by: "lives" }]);
    assert.deepEqual(await beat(db, "lives", 91), ["killed"]);
    assert.deepEqual(await rows(db, locked), [{ by: "lives" }]);
    assert.deepEqual(await rows(db, "select pool_id, seen_at from worker"), [
      { pool_id: "lives", seen_at: at(91).replace(".000Z", "Z") },
    ]);
    const again =
      "select attempts < max_attempts and run_at <= now() from graphile_worker.jobs where key = $1";
    assert.equal(await value(db, again, ["killed"]), true, "the job is there for whoever comes");
  }));

test("a worker that has just started takes nobody for dead before it has been there for 90 seconds", () =>
  rolledBack(database.pool, async (db) => {
    await beat(db, "killed", 0);
    await lockJob(db, "killed", 0);
    await beats(db, "new", 1_000, 1_075);
    assert.deepEqual(await beat(db, "new", 1_090), ["killed"]);
  }));

test("after an outage of the database no living worker loses its jobs", () =>
  rolledBack(database.pool, async (db) => {
    const workers = ["one", "two", "three"];
    for (const worker of workers) await beats(db, worker, -90, 0);
    for (const worker of workers) await lockJob(db, worker, 0);
    // nobody is heard for ten minutes; then they come back one after the other, the last one 75 seconds later
    await beats(db, "one", 600, 675);
    assert.equal(await value(db, "select count(*)::integer from worker"), 3);
    await beat(db, "two", 640);
    await beat(db, "three", 675);
    assert.deepEqual(await beat(db, "one", 690), []);
    assert.deepEqual((await rows(db, locked)).length, 3);
    // the one that does not come back is freed all the same
    await beat(db, "one", 705);
    await beat(db, "three", 705);
    await beats(db, "one", 720, 730);
    assert.deepEqual(await beat(db, "one", 731), ["two"]);
  }));

test("a worker that missed two beats has not had a break", () =>
  rolledBack(database.pool, async (db) => {
    await beat(db, "one", 0);
    await beat(db, "one", 45);
    const since = "select unbroken_since from worker";
    assert.equal(await value(db, since), "2026-03-01T12:00:00Z");
    await beat(db, "one", 91);
    assert.equal(await value(db, since), "2026-03-01T12:01:31Z");
  }));

test("a job that a worker took before anybody heard of it is freed, too", () =>
  rolledBack(database.pool, async (db) => {
    await lockJob(db, "unheard", 0);
    await beats(db, "lives", -90, 90);
    assert.deepEqual(await beat(db, "lives", 91), ["unheard"]);
    await lockJob(db, "just started", 60);
    assert.deepEqual(await beat(db, "lives", 105), [], "its first beat is under way");
  }));

test("a worker that was taken for dead and lives on is among the living again", () =>
  rolledBack(database.pool, async (db) => {
    await beat(db, "frozen", 0);
    await beats(db, "lives", 0, 105);
    assert.deepEqual(await rows(db, "select pool_id from worker"), [{ pool_id: "lives" }]);
    await beat(db, "frozen", 110);
    assert.equal(await value(db, "select count(*)::integer from worker"), 2);
  }));
