import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import type { ConsumerConfig } from "kafkajs";
import { loadConfig, requireKeys } from "../../src/config/config.ts";
import { createKafka } from "../../src/kafka/client.ts";
import { createGroupConsumer } from "../../src/kafka/group_consumer.ts";
import { createLogger } from "../../src/log.ts";

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

test("kafkajs begins anew after what passes, but not once the consumer is to stop", async () => {
  const stopping = new AbortController();
  const kafka = createKafka(config, createLogger("error"));
  let options: ConsumerConfig | undefined;
  const consumer = kafka.consumer.bind(kafka);
  kafka.consumer = (wanted) => {
    options = wanted;
    return consumer(wanted);
  };
  createGroupConsumer({
    ...{ kafka, group: "nobody", stopping: stopping.signal },
    onGivenUp: (error) => assert.fail(error),
  });
  const restarts = () => options?.retry?.restartOnFailure?.(new Error("the coordinator is away"));
  assert.equal(await restarts(), true);
  stopping.abort();
  assert.equal(await restarts(), false);
});
