import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadConfig, requireKeys } from "../../src/config/config.ts";
import { createKafka } from "../../src/kafka/client.ts";
import { createGroupConsumer } from "../../src/kafka/group_consumer.ts";
import { createLogger } from "../../src/log.ts";
import { openTopics } from "../support/kafka.ts";
import { until } from "../support/until.ts";

const config = loadConfig({ env: { KAFKA_BROKERS: "127.0.0.1:9" } });
requireKeys(config, ["kafkaBrokers"]);

describe("a consumer that is in no group", () => {
  const consumer = createGroupConsumer({
    kafka: createKafka(config, createLogger("error")),
    group: "nobody",
    stopping: new AbortController().signal,
    onGivenUp: (error) => assert.fail(error),
  });
  const partitions = [{ topic: "results", partitions: [0] }];

  it("has no partition to pause, to resume or to read from elsewhere", () => {
    consumer.pause(partitions);
    consumer.resume(partitions);
    consumer.seek({ topic: "results", partition: 0, offset: "7" });
  });

  it("still refuses what is no partition and no offset", () => {
    assert.throws(() => consumer.pause([{ topic: "", partitions: [0] }]), /Invalid topic/);
    assert.throws(() => consumer.seek({ topic: "results", partition: 0, offset: "x" }), /Invalid offset/);
  });
});

it("leaves its group when it stops, without the answer to a fetch that the broker keeps back", async () => {
  await using topics = await openTopics();
  const consumer = createGroupConsumer({
    kafka: createKafka({ ...config, kafkaBrokers: topics.brokers.split(",") }, createLogger("error")),
    group: topics.group,
    stopping: new AbortController().signal,
    onGivenUp: (error) => assert.fail(error),
  });
  let begun = 0;
  let answered = 0;
  const next = Promise.withResolvers<void>();
  consumer.on("consumer.fetch_start", () => {
    if (++begun > 1) next.resolve();
  });
  consumer.on("consumer.network.request", ({ payload }) => {
    if (payload.apiName === "Fetch") answered++;
  });
  await consumer.connect();
  await consumer.subscribe({ topic: topics.results });
  await consumer.run({ eachBatch: async () => undefined });
  await next.promise;
  await until("it asks the broker", () => answered === 1);
  await consumer.disconnect();
  assert.deepEqual({ begun, answered }, { begun: 2, answered: 1 });
  assert.deepEqual(await topics.members(), []);
});
