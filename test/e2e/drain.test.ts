import assert from "node:assert/strict";
import { freePort } from "../support/free_port.ts";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

scenario(
  "a service that is asked to stop is not ready first, answers meanwhile, and lets what is under way end",
  {},
  async (scene) => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    // the page of a rule waits for the lock that its name is as long as
    await scene.pool.query(
      `do $do$ begin
         execute replace(replace(pg_get_functiondef('ccx.rule_texts'::regproc), 'AS $function$',
           'SET lock_timeout = 0 AS $function$ select pg_advisory_xact_lock_shared(length(rule_texts.rule));'),
           ' STABLE', ' VOLATILE');
       end $do$`,
    );
    const holder = await scene.pool.connect();
    try {
      await holder.query("select pg_advisory_lock(length('bug_1766907')), pg_advisory_lock(3)");
      const service = scene.start("serve", { env: { CCX_HTTP_PORT: port } });
      await service.says("running");
      assert.equal((await fetch(`${url}/readyz`)).status, 200);

      const stream = await fetch(`${url}/console/live`);
      const underWay = fetch(`${url}/console/rules/bug_1766907`);
      const endless = fetch(`${url}/console/rules/xxx`).then(
        () => "answered",
        () => "cut off",
      );
      const waiting = "select count(*)::integer from pg_stat_activity where wait_event = 'advisory'";
      const ofScene = `${waiting} and datname = current_database()`;
      await until("both pages wait", async () => (await scene.value(ofScene)) === 2);

      service.askToStop();
      const askedAt = performance.now();
      const seen = await until("it is not ready", async () => {
        const answer = await fetch(`${url}/readyz`);
        return answer.status === 503 ? answer : undefined;
      });
      assert.ok(seen);
      assert.match(await seen.text(), /"stopping"/);
      assert.equal(seen.headers.get("connection"), "close", "the client takes another one next time");
      const still = await fetch(`${url}/console/silences`);
      assert.equal(still.status, 200, "whoever has not seen it yet is answered");
      assert.ok(!service.hasEnded);

      await until("it takes no connection any more", () =>
        fetch(`${url}/readyz`).then(
          ({ status }) => assert.equal(status, 503),
          () => true,
        ),
      );
      await stream.text(); // it ends, and does not hold the process
      // the answer takes a second more, as answers do
      await holder.query("select pg_sleep(1)");
      await holder.query("select pg_advisory_unlock(length('bug_1766907'))");
      const answer = await underWay;
      assert.equal(answer.status, 200);
      assert.match(await answer.text(), /<h1>Rule bug_1766907<\/h1>/);
      assert.equal(await endless, "cut off");
      assert.deepEqual(await service.ends(), { code: 0, signal: null });
      const took = performance.now() - askedAt;
      assert.ok(took < 10_000, `${took} ms`);
      assert.deepEqual(service.said("something hangs, ending without it; nothing is lost"), []);
    } finally {
      holder.release(true);
    }
  },
);
