import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import pg, { type Pool, type PoolClient } from "pg";
import { value } from "./builders.ts";

/** Two sessions, each in a transaction; both are rolled back and given back at the end. */
export async function twoSessions<T>(
  pool: Pool,
  work: (first: PoolClient, second: PoolClient) => Promise<T>,
): Promise<T> {
  const sessions = [await pool.connect(), await pool.connect()] as const;
  try {
    for (const session of sessions) await session.query("begin");
    return await work(...sessions);
  } finally {
    for (const session of sessions) {
      await session.query("rollback");
      session.release();
    }
  }
}

/** Resolves when the session waits for a lock; fails when `pending` ends before, or after ten seconds. */
export async function waitsForLock(
  pool: Pool,
  session: PoolClient,
  pending: Promise<unknown>,
): Promise<void> {
  const { processID } = session as unknown as { processID: number };
  let ended = false;
  const end = () => {
    ended = true;
  };
  pending.then(end, end);
  for (const limit = performance.now() + 10_000; performance.now() < limit; await sleep(5)) {
    assert.ok(!ended, "it did not wait for the other session");
    if (
      await value(pool, "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1", [processID])
    )
      return;
  }
  assert.fail("it neither waits for a lock nor ends");
}

/**
 * What a refusal of ours is: its SQLSTATE (docs/reference/errors.md), and, in the tests that list them, its
 * sentence.
 */
export type Refusal = string | readonly [code: string, sentence: RegExp];

/** In a transaction: the work is refused with this SQLSTATE (and this sentence), and undone. */
export async function refused(db: PoolClient, refusal: Refusal, work: () => Promise<unknown>): Promise<void> {
  const [code, sentence] = typeof refusal === "string" ? [refusal, /./] : refusal;
  await db.query("savepoint before");
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof pg.DatabaseError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, sentence);
    return true;
  });
  await db.query("rollback to savepoint before");
}
