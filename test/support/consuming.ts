import kafkajs, { type Consumer, type EachBatchPayload, type Kafka } from "kafkajs";
import type { Pool } from "pg";

/**
 * Kafka as it is; `each` is notified of every batch that is handed over, and may change what the consumer
 * gets to see; `made` gets each consumer.
 */
export function watching(
  brokers: string,
  each: (payload: EachBatchPayload) => EachBatchPayload,
  made: (consumer: Consumer) => void = () => undefined,
): Kafka {
  const kafka = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  return {
    admin: () => kafka.admin(),
    consumer: (options) => {
      const consumer = kafka.consumer(options);
      const { run } = consumer;
      consumer.run = (config) =>
        run({ ...config, eachBatch: async (payload) => config?.eachBatch?.(each(payload)) });
      made(consumer);
      return consumer;
    },
  } as Kafka;
}

/** The pool; queries that have this in their text wait for `before`, which gets their number. */
export function holdingCalls(
  real: Pool,
  part: string,
  before: (call: number) => Promise<void>,
): { pool: Pool; calls: () => number } {
  let calls = 0;
  const pool = new Proxy(real, {
    get(target, name) {
      const found = Reflect.get(target, name, target);
      if (name !== "query") return typeof found === "function" ? found.bind(target) : found;
      return async (query: string | { text?: string }, ...others: unknown[]) => {
        const text = typeof query === "string" ? query : query.text;
        if (text?.includes(part)) await before(++calls);
        return found.call(target, query, ...others);
      };
    },
  });
  return { pool, calls: () => calls };
}
