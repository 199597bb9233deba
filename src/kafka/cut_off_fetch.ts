import { createRequire } from "node:module";

/*
 * A broker that has nothing new keeps the answer to a fetch back for half a second. kafkajs waits for that
 * answer before a consumer leaves its group, and again before it ends the connection: so long nobody gets the
 * partitions of a consumer that stops, and its process does not end. kafkajs cannot give a fetch up, so
 * three of its methods are extended.
 */

/** What of kafkajs' classes is used. Each consumer has a cluster, and so brokers, of its own. */
type Group = {
  fetch(nodeId: string): Promise<unknown[]>;
  cluster: { brokerPool: { brokers: Record<string, Broker> } };
};
type Runner = { running: boolean; stop(): Promise<void>; consumerGroup: Group };
type Broker = { fetch(request: unknown): Promise<unknown>; connectionPool: { pool: Connection[] } };
type Connection = {
  rejectRequests(error: Error): void;
  disconnect(): Promise<unknown>;
  socket?: { destroy(): void };
};

/** How to end the fetches that are awaited, without an answer. */
const awaited = new WeakMap<Group, Set<() => void>>();
const left = new WeakSet<Group>();
/** Those of groups that were left. */
const unasked = new WeakSet<Broker>();
const brokersOf = (group: Group) => Object.values(group.cluster.brokerPool.brokers);
const stopped = () => new Error("the consumer stops");
let isDone = false;

/** Lets consumers of kafkajs that stop wait for no fetch. Call it as often as you like. */
export function cutOffFetches(): void {
  if (isDone) return;
  isDone = true;
  const require = createRequire(import.meta.url);
  const group: Group = require("kafkajs/src/consumer/consumerGroup").prototype;
  const runner: Runner = require("kafkajs/src/consumer/runner").prototype;
  const broker: Broker = require("kafkajs/src/broker").prototype;
  const { fetch } = group;
  const { stop } = runner;
  const { fetch: ask } = broker;

  group.fetch = function (nodeId) {
    if (left.has(this)) return Promise.resolve([]);
    let ends = awaited.get(this);
    if (!ends) {
      ends = new Set();
      awaited.set(this, ends);
      // a consumer that was stopped, and runs again
      for (const broker of brokersOf(this)) unasked.delete(broker);
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown[]>();
    const end = () => resolve([]);
    ends.add(end);
    Reflect.apply(fetch, this, [nodeId])
      .then(resolve, reject)
      .finally(() => ends.delete(end));
    return promise;
  };
  broker.fetch = function (request) {
    // one that was under way, but not sent yet
    return unasked.has(this) ? Promise.reject(stopped()) : Reflect.apply(ask, this, [request]);
  };
  runner.stop = function () {
    const { running, consumerGroup } = this;
    const ended = Reflect.apply(stop, this, []);
    if (running) leave(consumerGroup);
    return ended;
  };
}

function leave(group: Group): void {
  left.add(group);
  for (const end of awaited.get(group) ?? []) end();
  for (const broker of brokersOf(group)) {
    unasked.add(broker);
    // kafkajs has one connection for fetches alone, the second
    const fetching = broker.connectionPool.pool[1];
    fetching?.rejectRequests(stopped());
    void fetching?.disconnect().then(() => fetching.socket?.destroy());
  }
}
