import assert from "node:assert/strict";
import type { Behaviour } from "../../dev/stack/service_log_receiver.ts";
import { aCluster, aReport, issueOf } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

const only = { serviceLog: true };

/** Reports of clusters with one issue each go to the Service Log alone, which behaves as notified. */
async function report(scene: Scene, clusters: number, ...behaviours: Behaviour[]): Promise<string[]> {
  await scene.pool.query(`select set_policy('notifications backend', '{"enabled": false}', 'for the test')`);
  scene.receiver.behave(...behaviours);
  const names = Array.from({ length: clusters }, aCluster);
  await scene.topics.produce(names.map((cluster) => aReport(cluster, ["bug"])));
  scene.start("run", { env: { CCX_SERVICE_LOG_CONCURRENCY: "2" } });
  await scene.consumed(clusters);
  return names;
}

/**
 * Until nothing waits any more; what is to be tried later is tried now. A lease, longer than a minute, is
 * left alone.
 */
async function withoutWaiting(scene: Scene): Promise<void> {
  await until("every notification has ended", async () => {
    const hurried = await scene.pool.query(
      `with later as (
         update notification set next_attempt_at = now()
         where state = 'pending' and failure is not null and next_attempt_at between now() and now() + interval '1 minute'
         returning 1)
       select wake_delivery('service log') from (select from later limit 1) l`,
    );
    const left = await scene.value(
      "select (select count(*) from decision_due) + (select count(*) from notification where state = 'pending')",
    );
    return hurried.rowCount === 0 && left === "0";
  });
}

/** The clusters of the entries; each entry tells the one issue. */
function toldOf(scene: Scene): string[] {
  return scene.receiver.entries.map(({ body }) => body.cluster_uuid);
}

scenario("a Service Log that fails twice gets each issue once in the end", only, async (scene) => {
  const clusters = await report(scene, 3, { status: 500 }, { status: 500 }, "store-and-drop");
  await withoutWaiting(scene);
  assert.deepEqual(toldOf(scene).sort(), clusters.sort());
  assert.deepEqual(
    await scene.rows("select state, count(*)::integer as n from notification group by state"),
    [{ state: "sent", n: 3 }],
  );
  const ids = scene.receiver.entries.map(({ body }) => body.event_stream_id).sort();
  const rows = await scene.rows("select message_id::text as id from notification order by id");
  assert.deepEqual(
    rows.map(({ id }) => id),
    ids,
    "the entries carry the ids of the messages",
  );
  const attempts = Number(await scene.value("select sum(attempts)::integer from notification"));
  assert.equal(attempts, 6, "three tries failed");
  assert.equal(scene.receiver.requests.searches, 3, "each further try looks first");
});

scenario("a token that is refused once is refreshed once, and nobody notices", only, async (scene) => {
  const clusters = await report(scene, 1, { status: 401 });
  await withoutWaiting(scene);
  assert.deepEqual(toldOf(scene), clusters);
  assert.deepEqual(scene.receiver.requests, { posts: 2, searches: 0, tokens: 2 });
  assert.equal(await scene.value("select attempts from notification"), 1);
});

scenario("an entry that is refused is dead with a reason, and the others go out", only, async (scene) => {
  await scene.pool.query(`select set_policy('notifications backend', '{"enabled": false}', 'for the test')`);
  const refusal = { status: 400, body: { kind: "Error", reason: "the summary is not to our liking" } };
  scene.receiver.behave(refusal, "answer-and-drop", refusal);
  const cluster = aCluster();
  await scene.topics.produce([aReport(cluster, ["bug", "proxy", "volume"])]);
  scene.start("run", { env: { CCX_SERVICE_LOG_CONCURRENCY: "1" } });
  await scene.consumed(1);
  await withoutWaiting(scene);

  assert.equal(scene.receiver.entries.length, 1, "one of two; the third is not for the service log");
  const rows = await scene.rows(
    "select state, failure, last_error, attempts from notification order by state",
  );
  const said = "The Service Log answered HTTP 400: the summary is not to our liking";
  assert.deepEqual(rows, [
    { state: "dead", failure: "client", last_error: said, attempts: 2 },
    { state: "sent", failure: null, last_error: null, attempts: 1 },
  ]);
  const reported = "select cluster, state, error_log from reported where event_type_id = 2";
  assert.deepEqual(await scene.rows(reported), [{ cluster, state: 1, error_log: said }]);

  // Who was not notified does not cool down: the next report tells it.
  await scene.topics.produce([aReport(cluster, ["bug", "proxy"])]);
  await scene.consumed(2);
  await withoutWaiting(scene);
  const notified = scene.receiver.entries.map(({ body }) =>
    body.description?.includes(issueOf("bug").split("|")[1] ?? ""),
  );
  assert.deepEqual(notified.sort(), [false, true]);
});
