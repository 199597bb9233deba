import assert from "node:assert/strict";
import { scenario } from "../support/scene.ts";
import { oneFile, uploading } from "../support/uploading.ts";
import { announcement, archiveOf } from "../support/uploads.ts";

const killed = { code: null, signal: "SIGKILL" };

const slowRule = {
  name: "slow",
  component: "a.slow.report",
  description: "Takes its time.",
  reads: ["config/id"],
  tags: [],
  links: {},
  source: "select 'SLOW_RULE', '{}'::jsonb from pg_sleep(0.5)",
};

// "take": the row and the offset are about to be stored; "run": in the middle of a rule; "publish": the result
// waits; "settle": it is out, and that is about to be recorded
for (const moment of ["take", "run", "publish", "settle"] as const)
  scenario(
    `an analyzer killed at "${moment}" loses nothing, and says nothing else the next time`,
    {},
    async (scene) => {
      await using owned = new AsyncDisposableStack();
      const { server, uploads, env, ended } = await uploading(scene, owned);
      await scene.rows("select rule from load_rules($1)", [JSON.stringify([slowRule])]);
      const url = server.serve("/one", await archiveOf(oneFile("00000000-0000-4000-8000-00000000000a")));
      await uploads.announce([announcement({ url, requestId: "killed" })]);
      const unlucky = scene.start("analyze", {
        env: { ...env, KILL_BEFORE: moment },
        preload: "./kill_analyzer.ts",
      });
      assert.deepEqual(await unlucky.ends(), killed, unlucky.stderr);
      // the server notices only when it has something to say to the process that is gone
      await scene.rows(`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'ccx analyze'`);
      await uploads.evictMembers();
      const before = await scene.rows("select state, attempts, message from analysis");
      const states = { take: [], run: ["waiting"], publish: ["analyzed"], settle: ["analyzed"] };
      assert.deepEqual(
        before.map(({ state }) => state),
        states[moment],
      );
      assert.equal(await uploads.resultCount(), moment === "settle" ? 1 : 0);

      await scene.rows("update analysis set next_attempt_at = now()"); // as if the lease had ended
      const lucky = scene.start("analyze", { env });
      await ended(1);
      assert.deepEqual(await scene.rows("select state, failure, message from analysis"), [
        { state: "published", failure: null, message: null },
      ]);
      const results = await uploads.published(moment === "settle" ? 2 : 1);
      assert.equal(results.length, moment === "settle" ? 2 : 1);
      assert.equal(new Set(results.map(({ value }) => value)).size, 1, "byte by byte the same");
      if (moment === "publish") assert.equal(results[0]?.value, before[0]?.message);
      assert.equal(server.times("/one"), moment === "run" ? 2 : 1);
      await lucky.stop();
    },
  );
