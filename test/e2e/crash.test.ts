import assert from "node:assert/strict";
import { aCluster, aReport, issueOf } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

const preload = "./kill_before.ts";
const killed = { code: null, signal: "SIGKILL" };

scenario(
  "a consumer killed between the database's commit and Kafka's stores no row twice",
  {},
  async (scene) => {
    const clusters = Array.from({ length: 30 }, aCluster);
    await scene.topics.produce(clusters.map((cluster) => aReport(cluster, ["tutorial"])));
    await scene.topics.produce(["not json", null]);
    const batches = { CCX_BATCH_SIZE: "20" };

    // The second meets the first one's batch again, and dies at the same place.
    for (const ordinal of ["first", "second"]) {
      const unlucky = scene.start("consume", { env: { ...batches, KILL_BEFORE: "commit" }, preload });
      assert.deepEqual(await unlucky.ends(), killed, `${ordinal}: ${unlucky.stderr}`);
      await scene.consumed(20);
      assert.equal(await scene.topics.committed(), 0, "Kafka was notified nothing");
      await scene.topics.evictMembers();
    }
    const lucky = scene.start("consume", { env: batches });
    await scene.consumed(32);
    await until("Kafka knows", async () => (await scene.topics.committed()) === 32);
    await lucky.stop();
    const counts = { stored: 10, replaced: 0, unchanged: 0, rejected: 2, skipped: 20 };
    assert.deepEqual(lucky.ingested(), counts);
    assert.deepEqual(
      await scene.rows(
        "select count(*)::integer as rows, count(distinct cluster)::integer as clusters from new_reports",
      ),
      [{ rows: 30, clusters: 30 }],
    );
    const rejected = "select reason from rejected_message order by kafka_offset";
    assert.deepEqual(await scene.rows(rejected), [{ reason: "not_json" }, { reason: "tombstone" }]);
    assert.equal(await scene.value("select max(occurrence) from issue"), 1, "no issue opened twice");
  },
);

scenario(
  "a notification whose worker was killed after sending it goes out again with the same id",
  {},
  async (scene) => {
    const clusters = [aCluster(), aCluster()];
    await scene.topics.produce(clusters.map((cluster) => aReport(cluster, ["bug", "proxy"])));
    const unlucky = scene.start("run", { env: { KILL_BEFORE: "settle" }, preload });
    assert.deepEqual(await unlucky.ends(), killed, unlucky.stderr);
    const first = await scene.topics.received.take(2);
    const pending = "select state, attempts from notification";
    assert.deepEqual(
      await scene.rows(pending),
      clusters.map(() => ({ state: "pending", attempts: 1 })),
    );

    const lucky = scene.start("work");
    await lucky.says("running");
    await scene.leasesEnd();
    await scene.quiet();
    const again = await scene.topics.received.take(2);
    const notified = (messages: typeof first) =>
      messages.map(({ offset: _, ...message }) => message).sort((a, b) => a.id.localeCompare(b.id));
    assert.deepEqual(notified(again), notified(first), "the same messages with the same ids");
    assert.deepEqual(first[0]?.issues, [issueOf("bug"), issueOf("proxy")]);
    assert.deepEqual(
      await scene.rows(
        "select state, attempts, message_id::text as id from notification order by message_id",
      ),
      notified(first).map(({ id }) => ({ state: "sent", attempts: 2, id })),
    );
    assert.equal(await scene.value("select count(*)::integer from reported where state = 1"), 2);
  },
);

scenario(
  "a Service Log entry whose worker was killed after posting it is found again, not posted again",
  { serviceLog: true },
  async (scene) => {
    await scene.pool.query(
      "select set_policy('notifications backend', '{\"enabled\": false}', 'for the test')",
    );
    const cluster = aCluster();
    await scene.topics.produce([aReport(cluster, ["bug"])]);
    const unlucky = scene.start("run", { env: { KILL_BEFORE: "settle" }, preload });
    assert.deepEqual(await unlucky.ends(), killed, unlucky.stderr);
    assert.equal(scene.receiver.entries.length, 1);
    assert.equal(scene.receiver.requests.searches, 0, "there was nothing to look for at the first try");

    const lucky = scene.start("work");
    await lucky.says("running");
    await scene.leasesEnd();
    await scene.quiet();
    const [entry] = scene.receiver.entries;
    assert.deepEqual(scene.receiver.requests, { posts: 1, searches: 1, tokens: 2 });
    assert.deepEqual(
      await scene.rows(
        "select state, attempts, message_id::text as id, result ->> 'entry_id' as entry from notification",
      ),
      [{ state: "sent", attempts: 2, id: entry?.body.event_stream_id, entry: entry?.id }],
    );
  },
);
