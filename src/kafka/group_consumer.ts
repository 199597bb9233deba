import type { Consumer, Kafka } from "kafkajs";
import { messageOf } from "../errors.ts";
import { kafkaConfigurationError } from "./kafka_errors.ts";
import { ownAssigner } from "./own_group.ts";

/** Three of them may be lost within a session. */
export const heartbeatMs = 3_000;

export type GroupConsumerOptions = {
  kafka: Kafka;
  group: string;
  /** The database that it stores into, where no other one may be in the group; undefined: nobody looks. */
  identity?: string | undefined;
  /** Aborted when it is to stop: it does not begin again then. */
  stopping: AbortSignal;
  /** Called when it has given up, with a ConfigurationError where a person has to change something. */
  onGivenUp: (error: Error) => void;
};

/**
 * A consumer for batches of messages of some kilobytes, that restarts by itself after what passes; not
 * connected yet.
 */
export function createGroupConsumer({
  kafka,
  group,
  identity,
  stopping,
  onGivenUp,
}: GroupConsumerOptions): Consumer {
  const consumer = kafka.consumer({
    groupId: group,
    ...(identity !== undefined && { partitionAssigners: [ownAssigner(group, identity)] }),
    // what a killed consumer had moves to another one so much later
    sessionTimeout: 10_000,
    heartbeatInterval: heartbeatMs,
    // new partitions are seen so much later, at most
    metadataMaxAge: 30_000,
    // small, for the memory it takes (npm run bench -- soak); a larger message comes alone
    maxBytesPerPartition: 1024 * 1024,
    maxBytes: 4 * 1024 * 1024,
    minBytes: 1,
    // who stops waits for the answers to its last two fetches, which the broker of an idle topic keeps back
    maxWaitTimeInMs: 100,
    allowAutoTopicCreation: false,
    retry: {
      retries: 5,
      initialRetryTime: 300,
      maxRetryTime: 10_000,
      // a join that our stop cut off fails like any other: kafkajs would begin anew
      restartOnFailure: async () => !stopping.aborted,
    },
  });
  consumer.on("consumer.crash", ({ payload }) => {
    // kafkajs restarts by itself after what it takes for passing; otherwise it would sit there doing nothing
    if (!payload.restart) onGivenUp(kafkaConfigurationError(payload.error) ?? payload.error);
  });
  return {
    ...consumer,
    pause: asMember(consumer.pause),
    resume: asMember(consumer.resume),
    seek: asMember(consumer.seek),
  };
}

/**
 * kafkajs throws while it is in no group, as between a crash and its restart. Then there is nothing to do: in
 * the next group no partition is paused, and each is compared with the database before it is read.
 */
const asMember =
  <T>(act: (argument: T) => void) =>
  (argument: T): void => {
    try {
      act(argument);
    } catch (error) {
      if (!/^Consumer group was not initialized/.test(messageOf(error))) throw error;
    }
  };
