import { groupOf, ownership } from "../cell/cell.ts";
import { readIdentity } from "../cell/sql.ts";
import { limited } from "../db/limits.ts";
import { ResultsConsumer, type ResultsConsumerOptions } from "../ingest/consumer.ts";
import { streams } from "../ingest/streams.ts";
import { PayloadTracker } from "../ingest/tracker.ts";
import { createProducer } from "../kafka/producer.ts";
import { aborted } from "./aborted.ts";
import { limitsOf } from "./limits.ts";
import type { Parts } from "./parts.ts";

/**
 * Starts the consumer of results, and the one of workloads where their topic is named; `stack` stops them.
 * Returns what rejects when one of them cannot go on, in an object, since what is awaited is that results are
 * consumed: for a topic of workloads that does not exist yet nobody waits.
 */
export async function startConsuming(
  { config, kafka, pool, log, signal }: Parts,
  stack: AsyncDisposableStack,
): Promise<{ failed: Promise<never> }> {
  const tracker = createTracker(config, kafka, log);
  stack.defer(async () => tracker?.close());
  const owns = await ownership(pool);
  const of = (group: string) => groupOf(group, config.cell ?? "");
  // the only database there is has nobody to share a group with
  const identity = config.cell ? await readIdentity(pool) : undefined;
  const shared = {
    ...{ kafka, log, pool: limited(pool, limitsOf(config, "ingest")), batchSize: config.batchSize },
    owns,
    identity,
    catchUpMs: config.catchUpSeconds * 1_000,
  };
  const consumers: ResultsConsumer[] = [];
  stack.defer(async () => void (await Promise.all(consumers.map((consumer) => consumer.stop()))));
  const create = (own: Pick<ResultsConsumerOptions, "topic" | "group"> & Partial<ResultsConsumerOptions>) => {
    const consumer = new ResultsConsumer({ ...shared, ...own });
    consumers.push(consumer);
    return consumer;
  };

  const failures: Promise<never>[] = [];
  if (config.workloadsTopic !== undefined) {
    const workloads = create({
      ...{ stream: streams.workloads, topic: config.workloadsTopic, group: of(config.workloadsGroup) },
      // they can wait, and leave the connections to what decisions wait for
      atATime: 1,
    });
    failures.push(workloads.failed, startMeanwhile(workloads, signal));
  }
  const results = create({ topic: config.resultsTopic, group: of(config.consumerGroup), tracker });
  failures.push(results.failed);
  // kafkajs does not hear the signal while it connects
  await Promise.race([results.start(signal), aborted(signal), ...failures]);
  return { failed: Promise.race(failures) };
}

/** Starts a consumer without waiting for it; rejects when that fails before the signal is aborted. */
function startMeanwhile(consumer: ResultsConsumer, signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  consumer.start(signal).catch((error) => {
    if (!signal.aborted) reject(error);
  });
  return promise;
}

function createTracker(
  { trackerTopic: topic, trackerService: service }: Parts["config"],
  kafka: Parts["kafka"],
  log: Parts["log"],
): PayloadTracker | undefined {
  if (topic === undefined) return undefined;
  return new PayloadTracker({ producer: createProducer(kafka), topic, service, log });
}
