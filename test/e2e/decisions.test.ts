import assert from "node:assert/strict";
import { aCluster, aReport, issueOf } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";

const backend = "notifications backend";

/** Puts reports on the topic and waits until all that follows from them has happened. */
async function report(scene: Scene, reports: string[]): Promise<void> {
  const before = Number(await scene.value("select coalesce(sum(next_offset), 0) from consumer_offset"));
  await scene.topics.produce(reports);
  await scene.consumed(before + reports.length);
  await scene.quiet();
}

/** What explain_notification says about a cluster and target: the reasons of every issue. */
async function explained(scene: Scene, cluster: string, target: string): Promise<Record<string, unknown>> {
  const rows = await scene.rows(
    `select split_part(component, '.', -2) || '|' || error_key as issue, reasons
     from explain_notification where cluster = $1 and target = $2`,
    [cluster, target],
  );
  return Object.fromEntries(rows.map(({ issue, reasons }) => [issue, reasons]));
}

scenario("the same report twice makes one notification", {}, async (scene) => {
  scene.start("run");
  const cluster = aCluster();
  const same = aReport(cluster, ["bug"]);
  await report(scene, [same]);
  await report(scene, [same]);
  await report(scene, [aReport(cluster, ["bug"]), same]);
  const [notified] = await scene.topics.received.take(1);
  assert.deepEqual(notified?.issues, [issueOf("bug")]);
  assert.deepEqual([notified?.key, notified?.cluster, notified?.org], [cluster, cluster, "11789772"]);
  assert.equal(notified?.risk, 4);
  assert.deepEqual(await explained(scene, cluster, backend), { [issueOf("bug")]: ["cooldown"] });
  const reported = await scene.rows(
    "select state, report <> '' as has_report from reported where event_type_id = 1 order by notified_at",
  );
  assert.deepEqual(reported, [
    { state: 1, has_report: true },
    { state: 2, has_report: false },
  ]);
});

scenario("of A and then A and B, the second notification holds only B", {}, async (scene) => {
  scene.start("run");
  const cluster = aCluster();
  await report(scene, [aReport(cluster, ["proxy"])]);
  await report(scene, [aReport(cluster, ["proxy", "bug"])]);
  const [first, second] = await scene.topics.received.take(2);
  assert.deepEqual(first?.issues, [issueOf("proxy")]);
  assert.deepEqual(second?.issues, [issueOf("bug")]);
  assert.notEqual(first?.id, second?.id);
});

scenario("the issues of one cluster go out in one notification, the gravest first", {}, async (scene) => {
  scene.start("run");
  const [one, other] = [aCluster(), aCluster()];
  await report(scene, [
    aReport(one, ["proxy", "bug", "tutorial"]),
    aReport(other, ["proxy"]),
    aReport(one, []),
  ]);
  await report(scene, [aReport(one, ["proxy", "bug", "tutorial"])]);
  const notified = await scene.topics.received.take(2);
  const issues = Object.fromEntries(notified.map((message) => [message.cluster, message.issues]));
  assert.deepEqual(issues, { [one]: [issueOf("bug"), issueOf("proxy")], [other]: [issueOf("proxy")] });
});

scenario("after its cooldown an issue is notified again, and not a moment before", {}, async (scene) => {
  const consumer = scene.start("consume");
  const cluster = aCluster();
  await scene.topics.produce([aReport(cluster, ["bug"])]);
  await scene.consumed(1);
  await consumer.stop();
  await scene.pool.query(
    `select set_policy('notifications backend', '{"max_report_age": null}', 'the only report gets old')`,
  );
  // The clock is passed in.
  const decideIn = async (time: string) => {
    await scene.pool.query(
      "insert into decision_due (org_id, cluster) values (11789772, $1) on conflict do nothing",
      [cluster],
    );
    const sql = "select notified, held from decide_due(10, transaction_timestamp() + $1::interval)";
    return (await scene.rows(sql, [time]))[0];
  };
  assert.deepEqual(await decideIn("0"), { notified: 1, held: 1 });
  assert.deepEqual(await decideIn("6 days 23 hours 59 minutes"), { notified: 0, held: 2 });
  assert.deepEqual(await decideIn("7 days 1 minute"), { notified: 1, held: 1 });
  assert.deepEqual(await decideIn("14 days"), { notified: 0, held: 2 });
  await scene.pool.query("update notification set next_attempt_at = now()");

  scene.start("work");
  await scene.quiet();
  const notified = await scene.topics.received.take(2);
  assert.deepEqual(
    notified.map(({ issues }) => issues),
    [[issueOf("bug")], [issueOf("bug")]],
  );
  assert.notEqual(notified[0]?.id, notified[1]?.id);
});

scenario("a cooldown that is made shorter counts for what was notified before", {}, async (scene) => {
  scene.start("run");
  const cluster = aCluster();
  await report(scene, [aReport(cluster, ["bug"])]);
  await scene.pool.query("select set_policy($1, '{\"cooldown\": \"0\"}', 'for the test')", [backend]);
  await scene.quiet();
  await report(scene, [aReport(cluster, ["bug"])]);
  const notified = await scene.topics.received.take(3);
  assert.equal(new Set(notified.map(({ id }) => id)).size, 3, "0 tells with every decision");
});

scenario(
  "an issue below the threshold is held, and explained by that",
  { serviceLog: true },
  async (scene) => {
    scene.start("run");
    const cluster = aCluster();
    await report(scene, [aReport(cluster, ["tutorial"])]);
    assert.deepEqual(await explained(scene, cluster, backend), {
      [issueOf("tutorial")]: ["below_threshold"],
    });
    assert.deepEqual(await explained(scene, cluster, "service log"), {
      [issueOf("tutorial")]: ["missing_tag"],
    });
    assert.deepEqual(await scene.rows("select distinct state from reported"), [{ state: 3 }]);
    // It was not notified, so nothing keeps it back when it comes to be above.
    await scene.pool.query("select set_policy($1, '{\"total_risk_threshold\": 1}', 'for the test')", [
      backend,
    ]);
    const [notified] = await scene.topics.received.take(1);
    assert.deepEqual(notified?.issues, [issueOf("tutorial")]);
    assert.equal(notified?.risk, 1);
  },
);

scenario(
  "each target is notified by its own policy and keeps its own cooldown",
  { serviceLog: true },
  async (scene) => {
    scene.start("run");
    const cluster = aCluster();
    await report(scene, [aReport(cluster, ["bug", "volume"])]);
    const [first] = await scene.topics.received.take(1);
    assert.deepEqual(first?.issues, [issueOf("bug"), issueOf("volume")]);
    assert.equal(scene.receiver.entries.length, 1, "only the bug has the tag that the service log requires");

    await scene.pool.query("select set_policy('service log', '{\"cooldown\": \"0\"}', 'for the test')");
    await scene.quiet();
    await report(scene, [aReport(cluster, ["bug", "volume", "proxy"])]);
    const [second] = await scene.topics.received.take(1);
    assert.deepEqual(second?.issues, [issueOf("proxy")], "the notifications backend still cools down");
    const entries = scene.receiver.entries.map(({ body }) => body);
    assert.equal(
      entries.length,
      1 + 1 + 2,
      "without a cooldown the service log is notified with every decision",
    );
    assert.deepEqual(new Set(entries.map(({ cluster_uuid }) => cluster_uuid)), new Set([cluster]));
    assert.equal(new Set(entries.map(({ event_stream_id }) => event_stream_id)).size, entries.length);
    assert.equal(
      await scene.value("select count(*)::integer from notification where target_id = 2 and state = 'sent'"),
      entries.length,
    );
  },
);
