import { groupOf, ownership } from "../cell/cell.ts";
import { limited } from "../db/limits.ts";
import { ResultsConsumer } from "../ingest/consumer.ts";
import { PayloadTracker } from "../ingest/tracker.ts";
import { createProducer } from "../kafka/producer.ts";
import { aborted } from "./aborted.ts";
import { limitsOf } from "./limits.ts";
import type { Parts } from "./parts.ts";

/**
 * Starts the consumer of results; `stack` stops it. Returns what rejects when it cannot go on, in an object,
 * since what is awaited is that it has started.
 */
export async function startConsuming(
  { config, kafka, pool, log, signal }: Parts,
  stack: AsyncDisposableStack,
): Promise<{ failed: Promise<never> }> {
  const tracker = createTracker(config, kafka, log);
  stack.defer(async () => tracker?.close());
  const consumer = new ResultsConsumer({
    kafka,
    pool: limited(pool, limitsOf(config, "ingest")),
    log,
    topic: config.resultsTopic,
    group: groupOf(config.consumerGroup, config.cell ?? ""),
    owns: await ownership(pool),
    batchSize: config.batchSize,
    catchUpMs: config.catchUpSeconds * 1_000,
    tracker,
  });
  stack.defer(() => consumer.stop());
  // kafkajs does not hear the signal while it connects
  await Promise.race([consumer.start(signal), aborted(signal)]);
  return { failed: consumer.failed };
}

function createTracker(
  { trackerTopic: topic, trackerService: service }: Parts["config"],
  kafka: Parts["kafka"],
  log: Parts["log"],
): PayloadTracker | undefined {
  if (topic === undefined) return undefined;
  return new PayloadTracker({ producer: createProducer(kafka), topic, service, log });
}
