import assert from "node:assert/strict";
import { test } from "node:test";
import type { Kafka } from "kafkajs";
import { atEnd } from "../../src/kafka/topic_end.ts";

class Recreated extends Error {}

/** Work that expects the partition to reach offset 5, and a broker that gives these ends, the last one for ever. */
function scene(ends: string[], signal?: AbortSignal) {
  const tried: string[] = [];
  const admin = {
    connect: async () => undefined,
    disconnect: async () => undefined,
    fetchTopicOffsets: async () => [
      { partition: 3, high: (ends.length > 1 ? ends.shift() : ends[0]) ?? "0" },
    ],
  };
  const done = atEnd({
    ...{ kafka: { admin: () => admin } as unknown as Kafka, topic: "t", partition: 3, highWatermark: "1" },
    isRecreated: (error) => error instanceof Recreated,
    work: async (end) => {
      tried.push(end);
      if (Number(end) < 5) throw new Recreated(`it ends at ${end}`);
      return `stored up to ${end}`;
    },
    ...(signal && { signal }),
  });
  return { tried, done };
}

test("a new leader that gives an older end for a moment has not lost the topic", async () => {
  const { tried, done } = scene(["2", "3", "6"]);
  assert.equal(await done, "stored up to 6");
  assert.deepEqual(tried, ["1", "2", "3", "6"]);
});

test("an end that stays too low is that of another topic", async () => {
  const { tried, done } = scene(["2"]);
  await assert.rejects(done, /^Error: it ends at 2$/);
  assert.deepEqual(tried, ["1", "2", "2", "2", "2", "2"]);
});

test("a stop does not wait for the broker to know better", async () => {
  const { tried, done } = scene(["2"], AbortSignal.abort());
  await assert.rejects(done, /^Error: it ends at 1$/);
  assert.deepEqual(tried, ["1"]);
});
