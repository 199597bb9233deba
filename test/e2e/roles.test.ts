import assert from "node:assert/strict";
import { freePort } from "../support/free_port.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { identityOf } from "../support/results_api.ts";
import { makeRoles, openLogins } from "../support/role_logins.ts";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";
import { oneFile, uploading } from "../support/uploading.ts";
import { announcement, archiveOf } from "../support/uploads.ts";

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

scenario("archives are analyzed by a user who is only in ccx_ingest", {}, async (scene) => {
  await using owned = new AsyncDisposableStack();
  const { server, uploads, loaded, env } = await uploading(scene, owned);
  await loaded();
  await makeRoles(scene.databaseUrl);
  const { url } = await owned.use(await openLogins(scene.databaseUrl)).login("ccx_ingest");
  const analyze = scene.start("analyze", { env: { ...env, DATABASE_URL: url } });
  const cluster = aCluster();
  await uploads.announce([
    announcement({ url: server.serve("/one", await archiveOf(oneFile(cluster))), cluster }),
  ]);
  const [message] = await uploads.published(1);
  assert.equal(message?.key, cluster);
  await analyze.stop();
  assert.deepEqual(
    analyze.lines.filter(({ level }) => level === "error" || level === "warn"),
    [],
  );
});

for (const [what, role, env] of [
  ["only the results API and the console", "ccx_metrics", { CCX_UPLOAD: "false" }],
  ["uploads besides", "ccx_ingest", {}],
] as const)
  scenario(`a process that serves ${what} exports all that the database measures`, {}, async (scene) => {
    await makeRoles(scene.databaseUrl);
    await using logins = await openLogins(scene.databaseUrl);
    const { name, url } = await logins.login(role);
    for (const narrow of ["ccx_results", "ccx_console"])
      await scene.pool.query(`grant ${narrow} to ${name} with inherit false, set true`);
    const port = await freePort();
    const serve = scene.start("serve", { env: { ...env, DATABASE_URL: url, CCX_HTTP_PORT: port } });
    await serve.says("running");
    const ask = async (path: string) => {
      const headers = { "x-rh-identity": identityOf(11_789_772) };
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
      return { status: answer.status, text: await answer.text() };
    };
    const { text } = await ask("/metrics");
    const views = [...text.matchAll(/^ccx_scrape_view_failed\{view="(\w+)"\} (\d)$/gm)];
    assert.ok(views.length > 10);
    assert.deepEqual(
      views.filter(([, , failed]) => failed !== "0").map(([, view]) => view),
      [],
    );
    assert.match(text, /^ccx_scrape_up\{source="database"\} 1$/m);
    assert.match(text, /^ccx_worker_alive 0$/m);
    const ready = await ask("/readyz");
    assert.equal(ready.status, 200, ready.text);
    assert.equal((await ask(`/api/v2/cluster/${aCluster()}/reports`)).status, 404);
    assert.equal((await ask("/console/")).status < 500, true);
    await serve.stop();
    assert.deepEqual(
      serve.lines.filter(({ level }) => level === "error" || level === "warn"),
      [],
    );
  });
