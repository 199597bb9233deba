import assert from "node:assert/strict";
import { aCluster, aReport } from "../support/reports.ts";
import { makeRoles, openLogins } from "../support/role_logins.ts";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

scenario("the service runs as users that own nothing, and are no superusers", {}, async (scene) => {
  await makeRoles(scene.databaseUrl);
  await using logins = await openLogins(scene.databaseUrl);
  const consumer = await logins.login("ccx_ingest");
  const worker = await logins.login("ccx_decide", "ccx_deliver");
  const operator = await logins.login("ccx_operator");
  const consume = scene.start("consume", { env: { DATABASE_URL: consumer.url } });
  const work = scene.start("work", { env: { DATABASE_URL: worker.url } });
  await consume.says("running");
  await work.says("running");

  const cluster = aCluster();
  await scene.topics.produce([aReport(cluster, ["bug"]), "no report"]);
  await scene.consumed(2);
  await scene.topics.received.take(1);
  await scene.quiet();

  await operator.pool.query(
    "select add_silence(ends_at => now() + '1 day', reason => 'for the test', cluster => $1)",
    [cluster],
  );
  await operator.pool.query(
    "select set_policy('notifications backend', '{\"cooldown\": \"3 days\"}', 'for the test')",
  );
  await operator.pool.query("select * from preview_retention()");
  await scene.pool.query("select graphile_worker.add_job('sweep'), graphile_worker.add_job('retain')");
  await until("sweep and retention have run", async () => {
    const left = await scene.value(
      "select count(*)::integer from graphile_worker.jobs where task_identifier in ('sweep', 'retain')",
    );
    return left === 0;
  });
  const failed = [...consume.lines, ...work.lines].filter(({ level }) => level === "error");
  assert.deepEqual(failed, []);
  const jobs = await scene.rows(
    "select task_identifier, last_error from graphile_worker.jobs where last_error is not null",
  );
  assert.deepEqual(jobs, []);
  for (const pool of [consumer.pool, worker.pool, operator.pool]) {
    const { rows } = await pool.query(
      "select labels from ccx.collect_metrics() where name = 'ccx_scrape_view_failed' and value <> 0",
    );
    assert.deepEqual(rows, []);
  }
  await consume.stop();
  await work.stop();
});
