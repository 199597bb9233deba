import { setTimeout as sleep } from "node:timers/promises";
import type { Kafka } from "kafkajs";
import type { Config } from "../config/config.ts";
import { limited } from "../db/limits.ts";
import { whileAway } from "../db/while_away.ts";
import { type DeadLetters, forwardRejected } from "../ingest/dead_letters.ts";
import { createProducer } from "../kafka/producer.ts";
import { limitsOf } from "./limits.ts";
import type { Parts } from "./parts.ts";

/** How often it is asked whether a message is due: an index answers. */
const everyMs = 2_000;

/**
 * Starts to write rejected messages to the dead-letter topic, where there is one, without a worker: what a
 * worker does with the task forward_rejected. Several may do so at once. `stack` stops it. Returns what
 * rejects when it cannot go on.
 */
export async function startForwarding(
  { config, kafka, pool, log, signal }: Parts,
  stack: AsyncDisposableStack,
): Promise<{ failed: Promise<never> }> {
  const deadLetters = createDeadLetters(config, kafka, stack);
  if (!deadLetters) return { failed: new Promise(() => undefined) };
  const own = limited(pool, limitsOf(config, "upkeep"));
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  const away = {
    ...{ log, context: { topic: deadLetters.topic }, signal: stop, isWanted: () => !stop.aborted },
    refused: "rejected messages cannot be forwarded",
  };
  const forwarding = (async () => {
    while (!stop.aborted) {
      await whileAway(() => forwardRejected(own, deadLetters, log, stop), away);
      await sleep(everyMs, undefined, { signal: stop }).catch(() => undefined);
    }
  })();
  stack.defer(async () => {
    ended.abort();
    await forwarding.catch(() => undefined);
  });
  return { failed: forwarding.then(() => new Promise<never>(() => undefined)) };
}

/** The dead-letter topic; undefined when none is configured. */
export function createDeadLetters(
  { deadLetterTopic: topic }: Config,
  kafka: Kafka,
  stack: AsyncDisposableStack,
): DeadLetters | undefined {
  if (topic === undefined) return undefined;
  const producer = createProducer(kafka);
  stack.defer(() => producer.disconnect());
  return { topic, producer };
}
