import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { freePort } from "../support/free_port.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { identityOf } from "../support/results_api.ts";
import { scenario } from "../support/scene.ts";
import { followTopics, testKafka } from "../support/topic.ts";
import { until } from "../support/until.ts";
import { aRecommendation, aWorkloadsMessage } from "../support/workloads.ts";

scenario(
  "workloads are read beside the results, by a group of their own, and a topic that does not exist stops nothing",
  {},
  async (scene) => {
    const topic = scene.topics.results.replace("ocp", "dvo");
    const port = await freePort();
    const env = {
      ...{ CCX_WORKLOADS_TOPIC: topic, CCX_WORKLOADS_GROUP: `${scene.topics.group}.workloads` },
      CCX_HTTP_PORT: String(port),
    };
    const [shop, bank] = [aCluster(), aCluster()];
    const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
    const message = (cluster: string, minutes: number, objects: string[]) =>
      aWorkloadsMessage(cluster, at(minutes), [aRecommendation("limits", objects)]);
    const namespaces = () =>
      scene.rows("select cluster, name, objects from workload_namespace order by cluster = $1, name", [bank]);

    const first = scene.start("consume", { env });
    await first.says("running");
    await first.says(`topic ${topic} does not exist: create it`);
    await scene.topics.produce([aReport(aCluster(), ["bug"])]);
    await scene.consumed(1);

    await using made = await followTopics(testKafka(), [topic]);
    const producer = testKafka().producer();
    await producer.connect();
    const produce = (values: (string | Buffer)[]) =>
      producer.send({ topic, messages: values.map((value) => ({ value })) });
    await produce([
      message(shop, 30, ["a/1", "b/2"]),
      "{",
      gzipSync(message(bank, 20, ["c/3"])),
      message(shop, 40, ["old/9"]),
    ]);
    await scene.consumed(5);
    assert.equal((await made.read(topic)).length, 4);
    assert.deepEqual(await namespaces(), [
      { cluster: shop, name: "a", objects: 1 },
      { cluster: shop, name: "b", objects: 1 },
      { cluster: bank, name: "c", objects: 1 },
    ]);
    assert.deepEqual(await scene.rows("select topic, stream, kafka_offset, reason from rejected_message"), [
      { topic, stream: "workloads", kafka_offset: "1", reason: "not_json" },
    ]);
    const scraped = await until("both topics are measured", async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      return text.includes(`ccx_consumer_lag_messages{topic="${topic}",partition="0"} 0`) ? text : undefined;
    });
    for (const line of [
      `ccx_consumer_lag_messages{topic="${scene.topics.results}",partition="0"} 0`,
      'ccx_ingest_messages_total{stream="workloads",outcome="stored"} 2',
      'ccx_ingest_messages_total{stream="workloads",outcome="unchanged"} 1',
      'ccx_ingest_messages_total{stream="workloads",outcome="rejected"} 1',
      'ccx_ingest_messages_total{stream="results",outcome="stored"} 1',
      'ccx_ingest_rejected_total{stream="workloads",reason="not_json"} 1',
    ])
      assert.ok(scraped?.split("\n").includes(line), line);
    await first.stop();

    // another one goes on where that one was
    await produce([message(shop, 10, ["b/2", "b/4"])]);
    const second = scene.start("run", { env });
    await scene.consumed(6);
    assert.deepEqual(await namespaces(), [
      { cluster: shop, name: "b", objects: 2 },
      { cluster: bank, name: "c", objects: 1 },
    ]);
    await producer.disconnect();
    const ask = async <T>(path: string) => {
      const headers = { "x-rh-identity": identityOf(1) };
      const answer = await fetch(`http://127.0.0.1:${port}/api/v2/namespaces/dvo${path}`, { headers });
      assert.equal(answer.status, 200);
      return (await answer.json()) as T;
    };
    await second.says("running");
    const { workloads } = await ask<{ workloads: { cluster: { uuid: string } }[] }>("");
    assert.deepEqual(workloads.map(({ cluster }) => cluster.uuid).toSorted(), [shop, bank].toSorted());
    const { namespace, metadata } = await ask<{
      namespace: { name: string };
      metadata: { objects: number; recommendations: number };
    }>(`/uid-of-b/cluster/${shop}`);
    assert.deepEqual([namespace.name, metadata.objects, metadata.recommendations], ["b", 2, 1]);
    await second.stop();
  },
);
