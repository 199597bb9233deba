import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogger } from "../../src/log.ts";
import { startHeartbeat } from "../../src/worker/heartbeat.ts";
import { rows, someMessages, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

const database = testDatabase();

/** The pool while nobody, or for a time everybody, finds the database away. */
function breakable() {
  const state = { isAway: false, refused: 0 };
  const pool = new Proxy(database.pool, {
    get(pool, property) {
      const found = Reflect.get(pool, property);
      if (typeof found !== "function") return found;
      return (...values: unknown[]) => {
        if (state.isAway) {
          state.refused++;
          throw Object.assign(new Error("away"), { code: "ECONNREFUSED" });
        }
        return Reflect.apply(found, pool, values);
      };
    },
  });
  return { state, pool };
}

const wakeUps = () =>
  rows(
    database.pool,
    `select j.key, j.attempts from graphile_worker.jobs j
     where j.task_identifier = 'deliver_notifications_backend' order by j.id`,
  );

test("when the database is back a worker looks for work at once, though the job that was to wake it is dead", async () => {
  await someMessages(database.pool, new Date(Date.now() - 1_000).toISOString());
  // as graphile-worker leaves one that failed while its key was taken over
  await database.pool.query(
    `select graphile_worker.add_job('deliver_notifications_backend', run_at => now() + interval '6 hours');
     update graphile_worker._private_jobs set attempts = max_attempts`,
  );
  const { state, pool } = breakable();
  const lines: string[] = [];
  const log = createLogger("info", { write: (line) => void lines.push(JSON.parse(line).msg) });
  const heartbeat = startHeartbeat({ pool, log, poolId: "pool-of-the-test", roles: ["work"] });
  try {
    await until(
      "it is there",
      async () => (await value(database.pool, "select count(*) from worker")) === "1",
    );
    state.isAway = true;
    heartbeat.lost();
    await until("it asks again and again", () => Promise.resolve(state.refused > 2));
    assert.equal(lines.filter((line) => line === "no heartbeat").length, 1, "said once");
    state.isAway = false;
    await until("delivery is woken", async () => (await wakeUps()).some(({ attempts }) => attempts === 0));
    assert.deepEqual(await wakeUps(), [{ key: "deliver notifications backend", attempts: 0 }]);
  } finally {
    await heartbeat.stop();
  }
  assert.equal(await value(database.pool, "select count(*)::integer from worker"), 0);
});
