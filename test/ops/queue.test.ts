import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  claim,
  decideDue,
  delivered,
  failed,
  loadContent,
  notificationsBackend,
  rows,
  serviceLog,
  setPolicy,
  settle,
  value,
  wishesBecomeJobs,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const minute = 60_000;

/** What graphile-worker does with the jobs that are due: takes them all, runs them, removes them. */
async function runJobs(db: PoolClient, at: string, run: (task: string) => Promise<"done" | "failed">) {
  await db.query(wishesBecomeJobs);
  const taken = await rows(
    db,
    `update graphile_worker._private_jobs j
     set locked_at = $1, locked_by = 'the test', attempts = j.attempts + 1
     from graphile_worker._private_tasks t
     where t.id = j.task_id and j.is_available and j.run_at <= greatest($1, now())
     returning j.id, t.identifier as task`,
    [at],
  );
  for (const { id, task } of taken) {
    if ((await run(String(task))) === "done")
      await db.query("delete from graphile_worker._private_jobs where id = $1", [id]);
    else
      await db.query(
        "update graphile_worker._private_jobs set locked_at = null, locked_by = null, run_at = $2 where id = $1",
        [id, at],
      );
  }
}

test("the queue stays small while a receiver is down for a day, and tasks fail now and then", () =>
  rolledBack(database.pool, async (db) => {
    const start = Date.UTC(2026, 2, 1, 0);
    await loadContent(db, ["disk"]);
    for (const target of [notificationsBackend, serviceLog])
      await setPolicy(db, target, { enabled: true, required_tags: [] }, "2026-02-01");
    let most = 0;
    let tries = 0;
    const report = (at: string) => addReport(db, aCluster(), at, ["disk"]);
    for (let step = 0; step < 48; step++) {
      const at = new Date(start + step * 30 * minute).toISOString();
      await db.query("select sweep($1)", [at]);
      if (step % 4 === 0) await report(at);
      await runJobs(db, at, async (task) => {
        // another report comes in while the task runs: its wake-up takes the key from the job that runs
        if (step % 12 === 0) await report(at);
        if (task === "decide") {
          if (step % 10 === 9) return "failed";
          while ((await decideDue(db, at)).clusters > 0);
          return "done";
        }
        // the Service Log is down; the notifications backend is there
        const down = task === "deliver_service_log";
        for (;;) {
          const rows = await claim(db, at, 500, down ? serviceLog : notificationsBackend);
          if (rows.length === 0) return "done";
          if (down) tries += rows.length;
          // one by one, as the Service Log's are
          for (const { id, attempt } of rows)
            await settle(db, [down ? failed({ id, attempt }) : delivered({ id, attempt })], at);
        }
      });
      await db.query(wishesBecomeJobs);
      most = Math.max(most, Number(await value(db, "select count(*) from graphile_worker._private_jobs")));
    }
    const pending = await value(
      db,
      "select count(*)::integer from notification where target_id = 2 and state = 'pending'",
    );
    assert.ok(Number(pending) > 15, `${pending} wait in the outbox`);
    // the circuit lets a few through every few minutes
    assert.ok(tries > 50, `they were tried ${tries} times`);
    assert.ok(most <= 8, `at most ${most} rows in the queue at a time`);
    await db.query("select sweep($1)", [new Date(start + 24 * 60 * minute).toISOString()]);
    const dead = "select count(*)::integer from graphile_worker.jobs where attempts >= max_attempts";
    assert.equal(await value(db, dead), 0);
  }));
