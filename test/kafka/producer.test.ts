import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Kafka, ProducerRecord } from "kafkajs";
import { createProducer, NotConnected } from "../../src/kafka/producer.ts";

/** Stands for kafkajs: writes down what happens, and fails a send whose first value is "bad". */
class FakeKafka {
  readonly events: string[] = [];
  refusesConnections = false;
  #made = 0;
  #sending = 0;

  producer(options: { idempotent: boolean; maxInFlightRequests: number; allowAutoTopicCreation: boolean }) {
    assert.deepEqual(
      [options.idempotent, options.maxInFlightRequests, options.allowAutoTopicCreation],
      [true, 1, false],
    );
    const name = `p${++this.#made}`;
    return {
      connect: async () => {
        this.events.push(`${name} connects`);
        if (this.refusesConnections) throw new Error("no broker");
      },
      disconnect: async () => void this.events.push(`${name} disconnects`),
      send: async ({ messages }: ProducerRecord) => {
        assert.equal(++this.#sending, 1, "two sends at once");
        await new Promise((resolve) => setTimeout(resolve, 2));
        this.#sending--;
        this.events.push(`${name} sends ${messages[0]?.value}`);
        if (messages[0]?.value === "bad") throw new Error("the answer was lost");
        return [];
      },
    };
  }
}

function setUp() {
  const kafka = new FakeKafka();
  const producer = createProducer(kafka as unknown as Kafka);
  const send = (value: string) => producer.send({ topic: "t", acks: -1, messages: [{ value }] });
  return { kafka, producer, send };
}

describe("the producer", () => {
  it("sends one thing at a time, in order", async () => {
    const { kafka, producer, send } = setUp();
    await producer.connect();
    await Promise.all(["a", "b", "c"].map(send));
    assert.deepEqual(kafka.events, ["p1 connects", "p1 sends a", "p1 sends b", "p1 sends c"]);
  });

  it("is replaced after a send of unknown outcome, so that the next message does not take its number", async () => {
    const { kafka, send } = setUp();
    const [bad, next] = await Promise.allSettled([send("bad"), send("next")]);
    assert.deepEqual([bad.status, next.status], ["rejected", "fulfilled"]);
    assert.deepEqual(kafka.events, [
      "p1 connects",
      "p1 sends bad",
      "p1 disconnects",
      "p2 connects",
      "p2 sends next",
    ]);
  });

  it("tries anew with the next send when it could not connect", async () => {
    const { kafka, producer, send } = setUp();
    kafka.refusesConnections = true;
    const refused = (error: unknown) => error instanceof NotConnected && error.message === "no broker";
    await assert.rejects(producer.connect(), refused);
    await assert.rejects(send("a"), refused);
    kafka.refusesConnections = false;
    await send("b");
    assert.equal(kafka.events.at(-1), "p3 sends b");
  });

  it("finishes what waits when it disconnects, and takes nothing more", async () => {
    const { kafka, producer, send } = setUp();
    const waiting = [send("a"), send("b")];
    await producer.disconnect();
    await Promise.all(waiting);
    assert.deepEqual(kafka.events, ["p1 connects", "p1 sends a", "p1 sends b", "p1 disconnects"]);
    await assert.rejects(send("c"), /^NotConnected: The producer is disconnected/);
    await producer.connect();
    await send("d");
    assert.equal(kafka.events.at(-1), "p2 sends d");
  });
});
