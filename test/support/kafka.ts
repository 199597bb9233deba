import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import kafkajs, { type CompressionTypes, type Kafka, type Message } from "kafkajs";
import { cutOffFetches } from "../../src/kafka/cut_off_fetch.ts";
import { assertNotification } from "./contract.ts";
import { until } from "./until.ts";

let count = 0;

/** The topics and the consumer group of one scenario, with names nobody else has. */
export type TestTopics = Awaited<ReturnType<typeof openTopics>>;

/**
 * Creates the topics; disposing removes them and the group.
 * @param brokers where; on the brokers that all tests share by default
 */
export async function openTopics(partitions = 1, brokers = process.env.TEST_KAFKA_BROKERS) {
  if (!brokers) throw new Error("run the tests with `npm test` or `npm run test:only FILE`");
  const name = `test-${process.pid}-${Date.now().toString(36)}-${++count}`;
  const results = `ccx.ocp.results.${name}`;
  const notifications = `platform.notifications.ingress.${name}`;
  const group = `ccx_notifications.${name}`;
  const kafka = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await Promise.all([admin.connect(), producer.connect()]);

  const create = async (topic: string, numPartitions: number) => {
    await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: false });
    // kafkajs gives up waiting when a busy broker does not know the topic yet
    await until(`${topic} has leaders`, () =>
      admin.fetchTopicMetadata({ topics: [topic] }).then(
        ({ topics: [made] }) => made?.partitions.every(({ leader }) => leader >= 0),
        () => false,
      ),
    );
  };
  await create(results, partitions);
  await create(notifications, 1);
  const received = new Notifications(kafka, notifications);
  const evictMembers = async (): Promise<void> => {
    const { groups } = await admin.describeGroups([group]);
    for (const { memberId } of groups[0]?.members ?? []) await leaveGroup(brokers, group, memberId);
  };

  return {
    brokers,
    results,
    notifications,
    group,
    received,

    /** Puts values on the results topic, in this order. */
    async produce(
      values: (Buffer | string | null)[],
      options: { partition?: number; compression?: CompressionTypes; headers?: Message["headers"] } = {},
    ): Promise<void> {
      const { partition = 0, compression, headers } = options;
      const messages = values.map((value) => ({ value, partition, ...(headers && { headers }) }));
      await producer.send({ topic: results, messages, ...(compression && { compression }) });
    },

    /**
     * The offset that the group has committed to Kafka, added up over the partitions; 0 before the first
     * commit.
     */
    async committed(): Promise<number> {
      const [topic] = await admin.fetchOffsets({ groupId: group, topics: [results] });
      return (topic?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
    },

    /** The results topic anew and empty, under the same name. */
    async recreateResults(): Promise<void> {
      await admin.deleteTopics({ topics: [results] });
      await until("the topic is gone", async () => !(await admin.listTopics()).includes(results));
      await create(results, partitions);
    },

    /** Drops the messages before this offset of partition 0, as retention does. */
    async dropBefore(offset: number): Promise<void> {
      await admin.deleteTopicRecords({
        topic: results,
        partitions: [{ partition: 0, offset: String(offset) }],
      });
    },

    /** How many partitions each member of the group has. */
    async members(): Promise<number[]> {
      const { groups } = await admin.describeGroups([group]);
      return (groups[0]?.members ?? []).map(
        ({ memberAssignment }) =>
          kafkajs.AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment[results]?.length ??
          0,
      );
    },

    /** A client for what else a test does to topics; disposing disconnects it. */
    async admin() {
      const client = kafka.admin();
      await client.connect();
      return Object.assign(client, { [Symbol.asyncDispose]: () => client.disconnect() });
    },
    /** What the group does: PreparingRebalance while somebody joins and not all have come. */
    async groupState(): Promise<string> {
      return (await admin.describeGroups([group])).groups[0]?.state ?? "";
    },

    /** Takes dead consumers out of the group, as the broker does when their session of 10 s has ended. */
    evictMembers,

    async [Symbol.asyncDispose](): Promise<void> {
      await received.close();
      await admin.deleteTopics({ topics: [results, notifications] });
      await evictMembers();
      await admin.deleteGroups([group]).catch(() => undefined); // there is none where nobody consumed
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}

/**
 * Leaves a group for somebody else (Kafka protocol: LeaveGroup, key 13, version 0), which kafkajs has no way
 * to.
 */
export async function leaveGroup(brokers: string, group: string, member: string): Promise<void> {
  const text = (value: string) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
  };
  const header = Buffer.from([0, 13, 0, 0, 0, 0, 0, 1]);
  const request = Buffer.concat([header, text("test"), text(group), text(member)]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(request.length);
  const [host, port] = (brokers.split(",")[0] ?? "").split(":");
  const socket = connect(Number(port), host);
  socket.write(Buffer.concat([size, request]));
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  assert.equal(answer.readInt16BE(8), 0, "the broker takes the member out of the group");
}

/**
 * Joins a group for somebody who is not heard of again (Kafka protocol: JoinGroup, key 11, version 2): whoever
 * joins after him waits so long for him.
 */
export async function joinGroupAndFallSilent(brokers: string, group: string, forMs: number): Promise<void> {
  const text = (value: string) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
  };
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const header = Buffer.from([0, 11, 0, 2, 0, 0, 0, 1]);
  const protocols = [number(1), text("RoundRobinAssigner"), number(0)];
  const request = Buffer.concat([
    ...[header, text("test"), text(group), number(forMs), number(forMs), text(""), text("consumer")],
    ...protocols,
  ]);
  const [host, port] = (brokers.split(",")[0] ?? "").split(":");
  const socket = connect(Number(port), host);
  socket.write(Buffer.concat([number(request.length), request]));
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  assert.equal(answer.readInt16BE(12), 0, "the broker takes the member into the group");
}

/** A message of the notifications topic, as far as tests look at it. */
export type Notification = {
  id: string;
  key: string | undefined;
  cluster: string;
  org: string;
  /** the highest total risk of its events */
  risk: number;
  /** `rule|ERROR_KEY` of every event */
  issues: string[];
  /** what every event is called */
  titles: string[];
  offset: string;
  /** the message as it is */
  value: string;
  /** its header `rh-message-id` */
  messageId: string | undefined;
  /** the trace that it belongs to, if it names one */
  traceparent?: string;
};

/**
 * Stands for notifications-backend: reads everything on the topic, in order, and checks it against the
 * contract. What a test does not take is not expected: `assertNoMore`.
 */
export class Notifications {
  readonly #kafka: Kafka;
  readonly #topic: string;
  readonly #consumer;
  readonly #messages: Notification[] = [];
  #taken = 0;
  #failure: unknown;
  #running: Promise<void> | undefined;

  constructor(kafka: Kafka, topic: string) {
    this.#kafka = kafka;
    this.#topic = topic;
    cutOffFetches();
    this.#consumer = kafka.consumer({ groupId: `collector.${topic}`, maxWaitTimeInMs: 100 });
  }

  /** The next `count` messages; waits for them. */
  async take(count: number): Promise<Notification[]> {
    this.#running ??= this.#run();
    await this.#running;
    await until(`${count} more notifications than ${this.#taken}`, () => {
      if (this.#failure) throw this.#failure;
      return this.#messages.length >= this.#taken + count;
    });
    this.#taken += count;
    return this.#messages.slice(this.#taken - count, this.#taken);
  }

  /** All that are on the topic by now and not taken yet. */
  async takeAll(): Promise<Notification[]> {
    const admin = this.#kafka.admin();
    await admin.connect();
    const offsets = await admin.fetchTopicOffsets(this.#topic).finally(() => admin.disconnect());
    const onTopic = offsets.reduce((sum, { high }) => sum + Number(high), 0);
    return onTopic === this.#taken ? [] : this.take(onTopic - this.#taken);
  }

  /** Fails when there is a message that nobody has taken. */
  async assertNoMore(): Promise<void> {
    assert.deepEqual(await this.takeAll(), [], "notifications that were not expected");
  }

  async close(): Promise<void> {
    if (!this.#running) return;
    await this.#consumer.disconnect();
    const admin = this.#kafka.admin();
    await admin.connect();
    await admin.deleteGroups([`collector.${this.#topic}`]).catch(() => undefined);
    await admin.disconnect();
  }

  async #run(): Promise<void> {
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic: this.#topic, fromBeginning: true });
    await this.#consumer.run({
      eachMessage: async ({ message: { key, value, headers, offset } }) => {
        try {
          const action = assertNotification(value, headers) as unknown as Action;
          this.#messages.push({
            id: action.id,
            key: key?.toString(),
            cluster: action.context.display_name,
            org: action.org_id,
            risk: Math.max(...action.events.map(({ payload }) => Number(payload.total_risk))),
            issues: action.events.map(({ payload }) => issueIn(payload.rule_url)),
            titles: action.events.map(({ payload }) => payload.rule_description),
            offset,
            value: String(value),
            messageId: headers?.["rh-message-id"]?.toString(),
            ...(headers?.traceparent && { traceparent: String(headers.traceparent) }),
          });
        } catch (error) {
          this.#failure ??= error;
        }
      },
    });
  }
}

type Action = {
  id: string;
  org_id: string;
  context: { display_name: string };
  events: { payload: { rule_url: string; rule_description: string; total_risk: string } }[];
};

/** `rule|ERROR_KEY` from a link such as …?first=ccx_rules_ocp|external|rules|x|report|ERROR_KEY */
function issueIn(ruleUrl: string): string {
  const parts = decodeURIComponent(new URL(ruleUrl).search).split("|");
  return `${parts.at(-3)}|${parts.at(-1)}`;
}
